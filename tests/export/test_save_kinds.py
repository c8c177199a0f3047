"""Every kind of task comes back from a saved folder: its head's outputs bit for bit, and what they mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

import afanet
from afanet.export.save import save_run
from afanet.networks.outputs import Output
from afanet.recipe.load import dump_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.folder import RunFolder
from afanet.runs.run import load_run
from afanet.runs.weights import save_weights
from afanet.tasks import (
    KINDS,
    Classification,
    DenseRegression,
    Depth,
    Description,
    Edges,
    HumanParts,
    MultiLabel,
    MultiLabelSegmentation,
    Normals,
    Ordinal,
    Regression,
    Saliency,
    Segmentation,
    Task,
    Vector,
)

from ..small import TinyNetwork

TASKS: list[Task] = [
    Segmentation(["floor", "wall"]),
    Depth(8.0),
    Normals(),
    Classification("room", ["hall", "attic"]),
    Ordinal("size", ["small", "fair", "large"]),
    MultiLabel("has", ["door", "window"]),
    Regression("age", 0, 100, "years"),
    DenseRegression("height", 0.0, 10.0, "m", "inverse"),
    Vector("nose", ["x", "y"], points=True),
    MultiLabelSegmentation(["road", "wet"], "surface"),
    Edges(),
    Saliency(),
    HumanParts(),
]


def finished_run(folder: Path, recipe: Recipe) -> None:
    """A run of every kind of task that nobody trained."""
    outputs: dict[str, Output] = {task.name: task.output for task in TASKS}
    torch.manual_seed(0)
    folder.mkdir()
    (folder / "recipe.yaml").write_text(dump_recipe(recipe))
    (folder / "last.ckpt").touch()
    save_weights(RunFolder(folder).scored, TinyNetwork(outputs).state_dict())
    results = {
        "tasks": {task.name: dict.fromkeys(task.higher_is_better, 0.5) for task in TASKS},
        "described": {task.name: Description.of(task).as_json() for task in TASKS},
        "parameters": 1,
        "flops": 1,
        "method": "afa",
        "versions": {},
    }
    (folder / "metrics.json").write_text(json.dumps(results))


def test_all_kinds_are_tried() -> None:
    assert {task.meaning["kind"] for task in TASKS} == set(KINDS)


def test_every_kind_comes_back(tiny: None, recipe: Recipe, tmp_path: Path) -> None:
    finished_run(tmp_path / "run", recipe)
    run = load_run(tmp_path / "run")
    folder = save_run(run.path, tmp_path / "saved").folder
    saved, images = load_run(folder), torch.rand(2, 3, 24, 32)
    assert saved.described == run.described
    assert {name: task.meaning for name, task in saved.tasks.items()} == {task.name: task.meaning for task in TASKS}
    ours, theirs = saved.network()(images), run.network()(images)
    assert list(ours) == list(theirs)
    for task in TASKS:
        assert torch.equal(ours[task.name], theirs[task.name])
        assert torch.equal(task.predict(ours[task.name]), saved.tasks[task.name].predict(ours[task.name]))
    photo = np.random.default_rng(0).integers(256, size=(30, 30, 3), dtype=np.uint8)
    given, expected = afanet.load(folder).predict(photo), run.predictor()(photo)
    for name, result in expected.items():
        assert np.array_equal(given[name].as_target(), result.as_target())
