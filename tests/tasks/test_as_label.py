"""A result written as a label is read back by its kind's column as what the task predicts, for every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor

from afanet.declared import declare
from afanet.errors import InputError
from afanet.networks.outputs import Dense
from afanet.tasks import KINDS, DenseTask, Task
from afanet.tasks.column import Column, FileColumn, ValueColumn
from afanet.tasks.depth.result import DepthMap
from afanet.tasks.kinds import read_estimate
from afanet.tasks.label import LabelFile, sides_declared
from afanet.tasks.result import Result
from afanet.tasks.segmentation.column import SegmentationColumn
from afanet.tasks.segmentation.result import LabelMap

SIZE = (9, 12)
# What the form of a label leaves out: half a millimetre, half of one of 255 levels.
LOST = {"depth": 5.1e-4, "normals": 0.5 / 127.5 * 1.8}


def task_of(kind: str) -> Task:
    column = KINDS[kind].column_class
    return declare(column, dict(column.example), kind).task("trial")


def results(task: Task, seed: int) -> tuple[Result, Tensor]:
    """A result of random logits, and what the task predicts of them."""
    pixels = SIZE if isinstance(task.output, Dense) else ()
    logits = 3 * torch.randn(1, task.output.channels, *pixels, generator=torch.Generator().manual_seed(seed))
    estimate = task.estimate(logits)[0].numpy()
    return read_estimate(task.name, task.meaning, estimate, SIZE), task.predict(logits)[0]


def read_back(column: Column, label: str | LabelFile, folder: Path) -> Tensor:
    if isinstance(label, LabelFile):
        assert isinstance(column, FileColumn)
        file = folder / f"label{label.suffix}"
        file.write_bytes(label.content)
        return column.read(file).as_subclass(Tensor)
    assert isinstance(column, ValueColumn)
    values, usable = column.encode(pa.array([label]))
    assert usable.tolist() == [True]
    return column.target(values[0])


def column_of(kind: str, result: Result, meaning: dict[str, Any]) -> Column:
    return declare(KINDS[kind].column_class, result.declaration | sides_declared(meaning), kind)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", KINDS.own)
def test_it_is_read_as_the_prediction(kind: str, seed: int, tmp_path: Path) -> None:
    task = task_of(kind)
    result, expected = results(task, seed)
    column = column_of(kind, result, task.meaning)
    target = read_back(column, result.as_label(), tmp_path)
    if kind == "regression":  # no number outside the range is read
        expected = expected.clamp(*column.range)
    torch.testing.assert_close(target.to(expected.dtype), expected, rtol=1e-6, atol=LOST.get(kind, 1e-6))
    assert (
        result.misfit("" if isinstance(column, FileColumn) else str(result.as_label()), tmp_path / "label.png") is None
    )


@pytest.mark.parametrize("kind", [name for name in KINDS.own if isinstance(task_of(name), DenseTask)])
def test_only_known_pixels_are_labelled(kind: str, tmp_path: Path) -> None:
    task = task_of(kind)
    result, expected = results(task, 0)
    known = np.random.default_rng(0).random(SIZE) < 0.5
    target = read_back(column_of(kind, result, task.meaning), result.as_label(known), tmp_path)
    labelled = task.labelled(target)
    assert torch.equal(labelled.reshape(-1, *SIZE)[0], torch.from_numpy(known))
    where = labelled.expand_as(target)
    torch.testing.assert_close(target[where].to(expected.dtype), expected[where], rtol=1e-6, atol=LOST.get(kind, 1e-6))


@pytest.mark.parametrize(
    "declared",
    [
        {"classes": ["floor", "wall", "bed"], "void": 0},
        {"classes": ["floor", "wall", "bed"], "void": 1},
        {"ids": {40: "wall", 7: "bed", 200: "floor"}, "void": 9},
    ],
)
def test_masks_have_the_ids_of_their_column(declared: dict[str, Any], tmp_path: Path) -> None:
    column = declare(SegmentationColumn, declared, "segmentation")
    task = column.task("trial")
    result, expected = results(task, 1)
    known = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % 3 > 0
    target = read_back(column, result.as_label(known, declared), tmp_path)
    assert torch.equal(target.long(), torch.where(torch.from_numpy(known), expected, 255))
    assert result.misfit("x", tmp_path / "label.png", declared) is None
    assert "it has the id" in str(
        result.misfit("x", tmp_path / "label.png", {"ids": {0: "floor", 1: "wall", 2: "bed"}})
    )
    with pytest.raises(InputError, match="has the class 'bed', and its column is declared with floor, wall: take"):
        result.as_label(known, {"classes": ["floor", "wall"]})


def test_the_palette_has_the_colours_of_the_classes(tmp_path: Path) -> None:
    task = task_of("segmentation")
    result, _ = results(task, 2)
    column = column_of("segmentation", result, task.meaning)
    read_back(column, result.as_label(), tmp_path)
    assert column.looked_at(column.task("trial"), tmp_path / "label.png").meaning["colours"] == task.meaning["colours"]


@pytest.mark.parametrize("far", [10.0, 80.0, 1e5])
def test_depth_of_any_range_is_kept(far: float, tmp_path: Path) -> None:
    metres = np.random.default_rng(0).uniform(0.001, 2 * far, SIZE).astype(np.float32)
    result = DepthMap("trial", metres, far, np.zeros((256, 3), np.uint8))
    column = declare(KINDS["depth"].column_class, result.declaration, "depth")
    label = result.as_label()
    target = read_back(column, label, tmp_path)
    assert label.suffix == ".png"
    assert (target > 0).all()
    torch.testing.assert_close(target[0], torch.from_numpy(metres), rtol=1e-6, atol=1.001 * far / 65535 + 5e-4)


@pytest.mark.parametrize("declared", [{}, {"scale": 0.0005}])
def test_what_is_too_far_for_16_bits_is_an_array(declared: dict[str, Any], tmp_path: Path) -> None:
    metres = np.full(SIZE, 500.25, np.float32)
    result = DepthMap("trial", metres, 10.0, np.zeros((256, 3), np.uint8))
    label = result.as_label(None, declared)
    target = read_back(declare(KINDS["depth"].column_class, declared, "depth"), label, tmp_path)
    assert label.suffix == ".npy"
    torch.testing.assert_close(target[0], torch.from_numpy(metres))


def test_what_the_network_did_not_see_is_void(tmp_path: Path) -> None:
    labels = np.array([[0, 1, 255]], np.uint8)
    result = LabelMap("trial", labels, np.float32([[0.9, 0.8, 0]]), ("a", "b"), np.zeros((2, 3), np.uint8))
    assert read_back(SegmentationColumn(classes=["a", "b"]), result.as_label(), tmp_path).tolist() == labels.tolist()
    assert np.isnan(result.confidence()).tolist() == [[False, False, True]]


def test_a_kind_without_it_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="task 'x' cannot be written as labels: DepthMap has no method 'as_label'"):
        Result.as_label(DepthMap("x", np.ones((1, 1), np.float32), 1.0, np.zeros((1, 3), np.uint8)))
