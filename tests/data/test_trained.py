"""From each data set's files and a recipe to figures and a picture, by the command line."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from afanet.cli import main

from ..relatives import relatives

RECIPE = {
    "name": "small",
    "network": {"method": "afa", "backbone": "test_resnet", "head": "linear", "output_stride": 16},
    "optimizer": {"name": "adamw", "lr": 0.001, "weight_decay": 0.01},
    "schedule": {"name": "constant"},
    "epochs": 2,
    "steps": 2,
    "batch_size": 16,
    "device": "cpu",
    "workers": 0,
}


@pytest.fixture
def table(folders: Path) -> Path:
    """Four frames and a manifest with a column for each kind of task."""
    columns = {
        "scene": ["hall", "attic", "hall", "attic"],
        "order": ["tidy", "lived in", "a mess", "lived in"],
        "contents": ["bed;desk", "-", "desk", "bed"],
        "light": ["0.5", "", "9", "3.5"],
        "segmentation": [f"label40/{number:04d}.png" for number in (1, 2, 3, 4)],
        "depth": ["", *(f"depth_mm/{number:04d}.png" for number in (2, 3, 4))],
        "normals": ["up.npy", "up.npy", "", "up.npy"],
    }
    np.save(folders / "up.npy", np.broadcast_to(np.array([0, 1, 0], np.float32), (12, 16, 3)))
    with (folders / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "split", *columns])
        for number, cells in enumerate(zip(*columns.values(), strict=True), start=1):
            writer.writerow([f"rgb/{number:04d}.jpg", "test" if number > 2 else "train", *cells])
    return folders


DECLARED = {
    "scene": {"kind": "classification", "classes": ["hall", "attic"]},
    "order": {"kind": "ordinal", "classes": ["tidy", "lived in", "a mess"]},
    "contents": {"kind": "multi_label", "labels": ["bed", "desk"]},
    "light": {"kind": "regression", "range": [0, 10]},
    "segmentation": {"kind": "segmentation", "void": 0, "classes": [f"class {number}" for number in range(40)]},
    "depth": {"kind": "depth"},
    "normals": {"kind": "normals"},
}


def run(root: Path, data: dict[str, Any], tasks: set[str], method: str = "afa", validation: bool = False) -> None:
    """Train two steps by a recipe file, with all that is asked of every run."""
    recipe, out = root / "small.yaml", root.with_name(f"{root.name}-run")
    recipe.write_text(yaml.safe_dump({**RECIPE, "data": {"size": [32, 48], **data}}))
    assert main(["train", str(recipe), "--method", method, "--out", str(out)]) == 0
    files = {"recipe.yaml", "metrics.json", "log.csv", "last.ckpt", "predictions.png"}
    assert files <= {path.name for path in out.iterdir()}
    results = json.loads((out / "metrics.json").read_text())
    assert results["steps"] == 2
    scored = {"tasks": results["tasks"]} | ({"validation": results["validation"]} if validation else {})
    for split, scores in scored.items():
        assert scores.keys() == tasks
        without = {task for task in scores for value in scores[task].values() if value is None or math.isinf(value)}
        # These few labels are of one class in some tasks, which then have no score.
        assert without == results.get("unscored", {}).get(split, {}).keys()
    with (out / "log.csv").open(newline="") as file:
        epochs = list(csv.DictReader(file))
    for task in tasks:
        assert not any(math.isinf(float(row[f"loss/{task}"])) for row in epochs)  # NaN without a label in an epoch
        assert any(float(row[f"loss/{task}"]) > 0 for row in epochs)
    with Image.open(out / "predictions.png") as picture:
        assert np.ptp(np.asarray(picture.convert("L"))) > 0


def test_cityscapes(cityscapes: Path) -> None:
    run(cityscapes, {"name": "cityscapes", "root": str(cityscapes)}, {"segmentation", "depth"})


def test_celeba(celeba: Path) -> None:
    run(celeba, {"name": "celeba", "root": str(celeba)}, {"attributes"}, method="single", validation=True)


@pytest.mark.parametrize("method", relatives(["hard", "single"], ["hard"]))
def test_celeba_with_a_task_for_each_attribute(celeba: Path, method: str) -> None:
    data = {"name": "celeba", "root": str(celeba), "options": {"apart": True}}
    run(celeba, data, {f"Attribute_{number}" for number in range(1, 41)}, method, validation=True)


def test_pets(pets: Path) -> None:
    run(pets, {"name": "pets", "root": str(pets)}, {"breed", "species", "segmentation"}, method="hard")


def test_digits(tmp_path: Path) -> None:
    run(tmp_path, {"name": "digits", "options": {"train_pairs": 4, "test_pairs": 3}}, {"left", "right"})


def test_adience(adience: Path) -> None:
    data = {"name": "adience", "root": str(adience), "options": {"validation": 0.5, "fold": 1}}
    run(adience, data, {"gender", "age"})


def test_manifest(table: Path) -> None:
    run(table, {"name": "manifest", "root": str(table), "options": {"tasks": DECLARED}}, set(DECLARED), method="hard")


def test_mixed(table: Path, adience: Path) -> None:
    faces = {"name": "adience", "root": str(adience), "options": {"fold": 1}}
    own = {"name": "manifest", "root": str(table), "options": {"tasks": DECLARED}, "tasks": ["depth", "contents"]}
    pairs = {"name": "digits", "options": {"train_pairs": 20, "test_pairs": 1}, "tasks": ["left"], "share": 2}
    tasks = {"gender", "age", "depth", "contents", "left"}
    run(adience, {"name": "mixed", "options": {"parts": [faces, own, pairs]}}, tasks, method="hard")
