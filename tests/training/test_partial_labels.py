"""Training where labels are missing: on a manifest of five kinds of task, and on a mixture of data sets."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.training.run import train

TASKS = {
    "breed": {"kind": "classification", "classes": ["cat", "dog"]},
    "tags": {"kind": "multi_label", "labels": ["indoor", "wet"]},
    "grade": {"kind": "ordinal", "classes": ["low", "mid", "high"]},
    "age": {"kind": "regression", "range": [0, 20]},
    "depth": {"kind": "depth"},
}
COUNT = 20


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Twenty images of 16x16 pixels, the rest to test on; of each task's cells 30 % are empty, by chance."""
    root = tmp_path / "own"
    root.mkdir()
    rng = np.random.default_rng(0)
    columns: dict[str, list[str]] = {}
    for name, values in {
        "breed": ["cat", "dog"], "tags": ["indoor;wet", "-", "wet"], "grade": ["low", "mid", "high"],
        "age": ["0", "3.5", "20"], "depth": ["depth.png"],
    }.items():  # fmt: skip
        columns[name] = rng.choice(values, COUNT).tolist()
        for row in rng.choice(COUNT, int(0.3 * COUNT), replace=False):
            columns[name][row] = ""
    Image.fromarray(rng.integers(0, 9000, (16, 16), np.uint16)).save(root / "depth.png")
    lines = [",".join(["image", "split", *columns])]
    for row in range(COUNT):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(root / f"{row}.png")
        split = "test" if row % 4 == 0 else "train"
        lines.append(",".join([f"{row}.png", split, *(cells[row] for cells in columns.values())]))
    (root / "manifest.csv").write_text("\n".join(lines))
    return root


def recipe_of(data: dict[str, object], **overrides: object) -> Recipe:
    plain = {"epochs": 2, "batch_size": 3, "workers": 0, "device": "cpu", "precision": "float32"}
    values = {f"data.{key}": value for key, value in data.items()}
    return load_recipe("rooms", plain | {"data.size": [16, 16]} | values | overrides)


def losses(folder: Path) -> np.ndarray:
    with (folder / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return np.array([[float(value) for key, value in row.items() if key.startswith("loss")] for row in rows])


def test_five_kinds_of_task_train_with_a_third_of_their_labels_missing(
    manifest: Path, tmp_path: Path, tiny: None
) -> None:
    recipe = recipe_of({"name": "manifest", "root": str(manifest), "options": {"tasks": TASKS}}, batch_size=2)
    run = train(recipe, tmp_path / "run")
    assert np.isfinite(losses(tmp_path / "run")).all()
    assert set(run.results["tasks"]) == set(TASKS)
    for name, task in run.tasks.items():
        assert np.isfinite(run.results["tasks"][name][task.main_metric])
    state = torch.load(tmp_path / "run/last.ckpt", weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in state.values())


def test_a_mixture_trains_each_part_for_its_own_tasks(manifest: Path, tmp_path: Path, tiny: None) -> None:
    own = {"name": "manifest", "root": str(manifest), "options": {"tasks": TASKS}, "tasks": ["age", "breed"]}
    rooms = {"name": "rooms", "options": {"train_scenes": 4, "test_scenes": 2}, "tasks": ["depth"], "share": 2}
    run = train(recipe_of({"name": "mixed", "options": {"parts": [own, rooms]}}), tmp_path / "run")
    assert np.isfinite(losses(tmp_path / "run")).all()
    assert list(run.results["tasks"]) == ["age", "breed", "depth"]
    assert run.results["steps"] == 2 * ((15 + 4) // 3)
