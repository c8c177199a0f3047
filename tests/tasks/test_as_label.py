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
from afanet.tasks.multi_label.result import Labels
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
    predicted = task.predict(logits)[0]
    label = predicted > 0.5 if task.kind in ("edges", "saliency") else predicted  # a label of them is decided
    return read_estimate(task.name, task.meaning, estimate, SIZE), label.to(predicted.dtype)


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
    if kind in ("regression", "vector"):  # no number outside the range is read
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
        {"ids": {"wall": [3, 40], "bed": 7, "floor": 900}, "void": [9, 10]},
        {"ids": {"wall": -3, "bed": 7, "floor": 70000}},
        {"colours": {"bed": [[9, 8, 7], [1, 1, 1]], "floor": "#ff0000", "wall": [3, 200, 7]}, "void": [0, 0, 0]},
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
    with pytest.raises(InputError, match="has the class 'bed', but its column is declared with floor, wall: use"):
        result.as_label(known, {"classes": ["floor", "wall"]})


def test_ids_of_no_class_are_named(tmp_path: Path) -> None:
    result, _ = results(task_of("segmentation"), 1)
    read_back(column_of("segmentation", result, {}), result.as_label(), tmp_path)
    assert "it has the id" in str(
        result.misfit("x", tmp_path / "label.png", {"ids": {3: "floor", 1: "wall", 2: "bed"}})
    )


@pytest.mark.parametrize("declared", [{"void": None}, {"colours": {"a": [0, 0, 0], "b": [9, 9, 9]}}])
def test_without_void_a_pixel_that_is_not_known_is_refused(declared: dict[str, Any], tmp_path: Path) -> None:
    labels, sure = np.array([[0, 1]], np.uint8), np.ones((1, 2), np.float32)
    result = LabelMap("trial", labels, sure, ("a", "b"), np.zeros((2, 3), np.uint8))
    column = declare(SegmentationColumn, {"classes": ["a", "b"]} | declared, "segmentation")
    assert read_back(column, result.as_label(None, declared), tmp_path).tolist() == [[0, 1]]
    with pytest.raises(InputError, match="'trial' is declared without void, but has pixels that are not known"):
        result.as_label(np.array([[True, False]]), declared)


@pytest.mark.parametrize("count", [255, 256, 257, 300])
def test_masks_of_many_classes(count: int, tmp_path: Path) -> None:
    classes = tuple(f"c{number}" for number in range(count))
    labels = (np.arange(400) % count).astype(np.uint8 if count <= 256 else np.uint16).reshape(20, 20)
    result = LabelMap("trial", labels, np.ones((20, 20), np.float32), classes, np.zeros((count, 3), np.uint8))
    known = labels % 7 > 0
    column = declare(SegmentationColumn, result.declaration, "segmentation")
    target = read_back(column, result.as_label(known), tmp_path)
    void = column.task("trial").unlabelled((1, 1)).item()
    assert np.array_equal(target.numpy(), np.where(known, labels.astype(int), void))


def test_of_several_labels_those_that_are_not_known_are_marked(tmp_path: Path) -> None:
    result = Labels("trial", ("a", "c"), {"a": 0.9, "b": 0.4, "c": 0.6, "d": 0.1})
    column = declare(KINDS["multi_label"].column_class, result.declaration, "multi_label")
    label = result.as_label(result.confidence() >= 0.8)
    assert label == "a;b?;c?"
    assert read_back(column, label, tmp_path).tolist() == [1, -1, -1, 0]
    assert result.misfit(label, tmp_path) is None
    assert result.misfit("a;x", tmp_path) == "its labels are a, b, c, d"
    assert read_back(column, result.as_label(np.zeros(4, bool)), tmp_path).tolist() == [-1] * 4


@pytest.mark.parametrize("unit", ["", "px"])
def test_points_within_the_photo_are_kept(unit: str, tmp_path: Path) -> None:
    names = ["left_x", "left_y", "right_x", "right_y"]
    column = declare(KINDS["vector"].column_class, {"names": names, "points": True, "unit": unit}, "vector")
    estimate = np.float32([0.25, 1, 1.5, 0.125])
    result = read_estimate("trial", column.task("trial").meaning, estimate, SIZE)
    again = declare(KINDS["vector"].column_class, result.declaration, "vector")
    assert again.task("trial").meaning == column.task("trial").meaning
    values, usable = again.encode(pa.array([result.as_label()]))
    assert usable.all()
    expected = torch.tensor([0.25, 1, torch.nan, 0.125])
    torch.testing.assert_close(again.target_in(values[0], SIZE).as_subclass(Tensor), expected, equal_nan=True)


def test_overlapping_masks_have_the_order_of_their_column(tmp_path: Path) -> None:
    task = task_of("multi_label_segmentation")
    result, expected = results(task, 0)
    declared = {"labels": ["new", *reversed(result.labels)], "void": 1}
    target = read_back(declare(KINDS[task.kind].column_class, declared, "x"), result.as_label(None, declared), tmp_path)
    assert torch.equal(target, torch.cat([torch.full((1, *SIZE), -1), expected.flip(0)]).to(target.dtype))
    with pytest.raises(InputError, match="has the label 'road', but its column is declared with wet: use"):
        result.as_label(None, {"labels": ["wet"]})


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
