"""Maps in files: what they become, and which are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from afanet.declared import declare
from afanet.errors import InputError
from afanet.tasks.depth.column import DepthColumn
from afanet.tasks.normals.column import NormalsColumn
from afanet.tasks.segmentation.column import SegmentationColumn
from afanet.tasks.segmentation.task import Segmentation


@settings(deadline=None)
@given(void=st.integers(0, 255), classes=st.integers(2, 255))
def test_ids_count_the_classes_and_pass_over_void(void: int, classes: int):
    table = SegmentationColumn(classes=[str(number) for number in range(classes)], void=void).table
    assert table[void] == 255
    assert [number for number in table[np.arange(256) != void] if number >= 0] == list(range(classes))
    assert (table < 0).sum() == 255 - classes


def test_void_first_or_last(tmp_path: Path):
    Image.fromarray(np.array([[0, 1, 2]], np.uint8)).save(tmp_path / "ids.png")
    read = SegmentationColumn(classes=["a", "b"], void=0).read(tmp_path / "ids.png")
    assert read.tolist() == [[255, 0, 1]]
    with pytest.raises(InputError, match=r"ids\.png has the id 2, expected those of 2 classes from 0 on, and 255"):
        SegmentationColumn(classes=["a", "b"]).read(tmp_path / "ids.png")


COLOURS = [[9, 200, 7], [250, 3, 90]]


def with_palette(file: Path, colours: list[list[int]]) -> Path:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette([value for colour in colours for value in colour])
    image.save(file)
    return file


@pytest.mark.parametrize(("void", "palette"), [(255, COLOURS), (0, [[0, 0, 0], *COLOURS])])
def test_classes_keep_the_colours_of_the_file_s_palette(void: int, palette: list[list[int]], tmp_path: Path):
    column = SegmentationColumn(classes=["a", "b"], void=void)
    task = column.looked_at(column.task("parts"), with_palette(tmp_path / "ids.png", palette))
    assert task.meaning["colours"] == task.legend.colours.tolist() == COLOURS
    assert Segmentation.from_described(task).meaning == task.meaning
    assert task.picture(torch.tensor([[1, 255, 0]])).tolist() == [[COLOURS[1], [0, 0, 0], COLOURS[0]]]


@pytest.mark.parametrize("palette", [[[9, 9, 9]] * 2, [[0, 0, 0], [1, 1, 1]], [[7, 8, 9]]], ids=["same", "grey", "few"])
def test_a_palette_that_tells_no_classes_apart_is_passed_over(palette: list[list[int]], tmp_path: Path):
    column = SegmentationColumn(classes=["a", "b"])
    task = column.task("parts")
    assert column.looked_at(task, with_palette(tmp_path / "ids.png", palette)) is task
    assert column.looked_at(task, tmp_path / "missing.png") is task


def test_declared_colours_come_before_those_of_a_palette(tmp_path: Path):
    column = SegmentationColumn(classes=["a", "b"], colours=["#ff8000", [1, 2, 3]])
    task = column.looked_at(column.task("parts"), with_palette(tmp_path / "ids.png", COLOURS))
    assert task.meaning["colours"] == [[255, 128, 0], [1, 2, 3]]


@pytest.mark.parametrize(
    ("colours", "said"),
    [
        (["#ff8000"], "'colours' of task 'x' is .*, expected a colour for each of the 2 classes, and there are 1"),
        (["red", [1, 2, 3]], r"'colours\.0' of task 'x' is 'red'"),
        ([[1, 2, 256], [1, 2, 3]], r"'colours\.0\.2' of task 'x' is 256"),
    ],
)
def test_colours_that_cannot_be_are_refused(colours: object, said: str):
    with pytest.raises(InputError, match=said):
        declare(SegmentationColumn, {"classes": ["a", "b"], "colours": colours}, "task 'x'")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "1", "LA"])
def test_class_ids_in_another_mode_are_refused(tmp_path: Path, mode: str):
    Image.new(mode, (4, 4)).save(tmp_path / "ids.png")
    with pytest.raises(InputError, match=r"mode .*, expected L or P for a map of class ids"):
        SegmentationColumn(classes=["a", "b"]).read(tmp_path / "ids.png")


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_depth_of_eight_bits_is_refused(tmp_path: Path, mode: str):
    Image.new(mode, (4, 4)).save(tmp_path / "depth.png")
    with pytest.raises(InputError, match=r"expected I;16 for a depth map of 16 bits"):
        DepthColumn().read(tmp_path / "depth.png")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 2), np.nan), "infinite or no number"),
        (np.full((2, 2), np.inf), "infinite or no number"),
        (np.full((2, 2), 1e300), "infinite or no number"),
        (np.full((2, 2), -1.0), r"depth -1 m, expected 0 \(not measured\) or more"),
        (np.ones((2, 2), int), "expected floats"),
        (np.ones((1, 2, 2)), "expected floats, a depth map in metres"),
        (np.ones((0, 2)), "holds no plain array of numbers, expected a depth map"),
        (np.array([[{}]]), "cannot be read as an array"),
    ],
)
def test_depth_arrays_of_no_use_are_refused(tmp_path: Path, array, message: str):
    np.save(tmp_path / "depth.npy", array)
    with pytest.raises(InputError, match=message) as caught:
        DepthColumn().read(tmp_path / "depth.npy")
    assert str(tmp_path / "depth.npy") in str(caught.value)


@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_arrays_of_any_bytes_are_read_or_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.getbasetemp() / "fuzz.npy"
    path.write_bytes(data)
    with pytest.raises(InputError):
        DepthColumn().read(path)


def test_normals_survive_eight_bits_to_within_their_steps(tmp_path: Path):
    rng = np.random.default_rng(0)
    exact = rng.normal(size=(16, 16, 3))
    exact /= np.linalg.norm(exact, axis=2, keepdims=True)
    colours = np.rint((exact + 1) * 127.5).astype(np.uint8)
    colours[0, 0], colours[0, 1] = 0, 127
    Image.fromarray(colours).save(tmp_path / "normals.png")
    read = NormalsColumn().read(tmp_path / "normals.png")
    lengths = read.norm(dim=0).flatten()
    assert lengths[:2].tolist() == [0, 0]
    torch.testing.assert_close(lengths[2:], torch.ones(254))
    cosines = (read.permute(1, 2, 0).double().numpy() * exact).sum(2).flatten()[2:]
    assert cosines.min() > np.cos(np.deg2rad(0.6))


def test_what_is_no_map_of_normals_is_refused(tmp_path: Path):
    np.save(tmp_path / "n.npy", np.full((2, 2, 3), 0.3))
    with pytest.raises(InputError, match=r"median length 0\.52, expected unit normals"):
        NormalsColumn().read(tmp_path / "n.npy")
    np.save(tmp_path / "n.npy", np.full((3, 2, 2), 0.3))
    with pytest.raises(InputError, match="expected floats, a map of unit vectors"):
        NormalsColumn().read(tmp_path / "n.npy")
    Image.new("L", (4, 4)).save(tmp_path / "n.png")
    with pytest.raises(InputError, match="expected RGB for a map of normals"):
        NormalsColumn().read(tmp_path / "n.png")
