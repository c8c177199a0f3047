"""Masks in files: what their ids and colours become, against plain loops over pixels read by Pillow and NumPy."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from afanet.declared import declare
from afanet.errors import InputError
from afanet.tasks.segmentation.column import SegmentationColumn
from afanet.tasks.segmentation.task import Segmentation

NAMES = ("road", "tree", "sky")
COLOURS = {"road": [128, 64, 128], "tree": [[107, 142, 35], [152, 251, 152]], "sky": "#4682b4"}
CLASS_OF = {(128, 64, 128): 0, (107, 142, 35): 1, (152, 251, 152): 1, (70, 130, 180): 2}
PIXELS = np.array([[[128, 64, 128], [107, 142, 35]], [[152, 251, 152], [70, 130, 180]]], np.uint8)


def save(path: Path, values: np.ndarray) -> Path:
    """Values as an array or a picture, whichever the suffix says."""
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez_compressed(path, mask=values)
    else:
        Image.fromarray(values).save(path)
    return path


@st.composite
def meanings(draw: st.DrawFn) -> tuple[dict[int, str], list[int], np.dtype[Any]]:
    """The name of each id, some ids that are void, and a type that has them all."""
    dtype = np.dtype(draw(st.sampled_from(["u1", "u2", "i1", "i2", "<i4", ">i4", "u4", "i8", "u8"])))
    limits = np.iinfo(dtype)
    ids = draw(
        st.lists(
            st.integers(max(limits.min, -(2**31)), min(limits.max, 2**32 - 1)), min_size=3, max_size=40, unique=True
        )
    )
    voids = draw(st.integers(0, len(ids) - 2))
    names = [f"class {number % 7}" for number in range(len(ids) - voids)]
    return dict(zip(ids[voids:], names, strict=True)), ids[:voids], dtype


@settings(deadline=None, max_examples=60)
@given(meaning=meanings(), by_name=st.booleans(), seed=st.integers(0, 99))
def test_ids_become_their_classes_and_back(
    meaning: tuple[dict[int, str], list[int], np.dtype[Any]],
    by_name: bool,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    names, voids, dtype = meaning
    declared: dict[Any, Any] = dict(names)
    if by_name:
        declared = {}
        for number, name in names.items():
            declared.setdefault(name, []).append(number)
    column = declare(SegmentationColumn, {"ids": declared, "void": voids}, "it")
    ids = np.random.default_rng(seed).choice(np.array([*names, *voids], dtype), (5, 7))
    target = column.read(save(tmp_path_factory.getbasetemp() / "ids.npy", ids)).numpy()
    for number, written in zip(target.flat, ids.flat, strict=True):
        if int(written) in names:
            assert column.classes[number] == names[int(written)]
        else:
            assert number == 255


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy", ".npz"])
def test_ids_of_sixteen_bits_and_more_than_255_classes(suffix: str, tmp_path: Path) -> None:
    ids = np.arange(300, dtype=np.uint16).reshape(12, 25) * 200
    ids[0, 0] = 65535
    column = SegmentationColumn(ids={number * 200: f"c{number}" for number in range(300)})
    task = column.task("parts")
    target = column.read(save(tmp_path / f"ids{suffix}", ids))
    assert isinstance(task, Segmentation)
    assert task.void == 65535
    assert target.flatten().tolist() == [65535, *range(1, 300)]
    assert task.tally(target).tolist() == [0, *[1] * 299]
    assert task.fault(target) is None
    assert task.picture(target)[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("classes", "dtype", "void"), [(254, "uint8", 255), (255, "uint8", 255), (256, "int32", 65535)]
)
def test_void_is_beyond_the_classes_at_their_limit(classes: int, dtype: str, void: int, tmp_path: Path) -> None:
    column = SegmentationColumn(classes=[str(number) for number in range(classes)], void=[300, -1])
    ids = np.array([[0, 253, classes - 1, 300, -1]], np.int16)
    target = column.read(save(tmp_path / "ids.npy", ids)).numpy()
    assert target.dtype == dtype
    assert target.tolist() == [[0, 253, classes - 1, void, void]]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_pixels_of_one_bit_are_black_and_white(suffix: str, tmp_path: Path) -> None:
    path = save(tmp_path / f"mask{suffix}", np.array([[False, True, True]]))
    column = SegmentationColumn(ids={"background": 0, "object": [1, 255]})
    assert column.read(path).tolist() == [[0, 1, 1]]
    assert column.read(save(tmp_path / "mask.npy", np.array([[False, True]]))).tolist() == [[0, 1]]


@pytest.mark.parametrize("form", ["RGB", "RGBA", "P", "bmp", "tif", "npy", "npz"])
def test_colours_mean_the_classes_that_name_them(form: str, tmp_path: Path) -> None:
    column = declare(SegmentationColumn, {"colours": COLOURS}, "it")
    suffix = form if form.islower() else "png"
    path = tmp_path / f"mask.{suffix}"
    if form == "P":
        Image.fromarray(PIXELS).quantize(9).save(path)
    elif form.isupper():
        Image.fromarray(PIXELS).convert(form).save(path)
    else:
        save(path, PIXELS)
    assert column.classes == NAMES
    assert column.read(path).tolist() == [[CLASS_OF[tuple(pixel)] for pixel in row] for row in PIXELS.tolist()]
    assert column.task("x").meaning["colours"] == [[128, 64, 128], [107, 142, 35], [70, 130, 180]]


def test_grey_files_are_colours_too(tmp_path: Path) -> None:
    column = SegmentationColumn(colours={"off": "#000000", "on": "#ffffff"}, void=[[7, 7, 7]])
    path = save(tmp_path / "mask.png", np.array([[0, 255, 7]], np.uint8))
    assert column.read(path).tolist() == [[0, 1, 255]]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), classes=st.integers(2, 300))
def test_colours_become_classes_and_back(seed: int, classes: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = np.random.default_rng(seed)
    keys = rng.choice(2**24, classes + 1, replace=False)
    colours = np.stack([keys >> 16, keys >> 8 & 255, keys & 255], 1).astype(np.uint8)
    column = SegmentationColumn(
        colours={f"c{number}": colour for number, colour in enumerate(colours[1:].tolist())}, void=colours[0].tolist()
    )
    truth = rng.integers(-1, classes, (6, 8))
    path = save(tmp_path_factory.getbasetemp() / "colours.png", colours[truth + 1])
    task = column.task("x")
    assert isinstance(task, Segmentation)
    assert (column.read(path).numpy() == np.where(truth < 0, task.void, truth)).all()


def test_numbers_far_from_any_id_are_in_no_list(tmp_path: Path) -> None:
    column = SegmentationColumn(ids={"a": -1, "b": [2**32 - 1, 0]}, void=None)
    far = [2**64 - 1, 2**63, 2**63 - 1, 2**32, 2**31]
    codes = column.lookup.codes(np.array([*far, 2**32 - 1, 0], np.uint64))
    assert codes.tolist() == [0] * 5 + [2, 2]
    codes = column.lookup.codes(np.array([-(2**63), 2**63 - 1, 2**32, -(2**32) - 1, -1], np.int64))
    assert codes.tolist() == [0] * 4 + [1]
    with pytest.raises(InputError, match=f"has the id {2**64 - 1} in 1 pixel, expected -1, 4294967295, 0: declare"):
        column.read(save(tmp_path / "ids.npy", np.array([[2**64 - 1]], np.uint64)))


def test_sides_are_exchanged_among_many_classes(tmp_path: Path) -> None:
    column = SegmentationColumn(classes=[str(number) for number in range(300)])
    task = column.task("x")
    task.swap = ((0, 299),)
    target = column.read(save(tmp_path / "ids.npy", np.array([[0, 299, 7, 65535]], np.uint16)))
    assert task.swapped(target.as_subclass(torch.Tensor)).tolist() == [[299, 0, 7, 65535]]


def test_values_in_no_list_are_named_with_their_pixels(tmp_path: Path) -> None:
    ids = np.array([[0, 0, 9, 9, 9, 200]], np.uint8)
    path = save(tmp_path / "ids.png", ids)
    with pytest.raises(InputError) as caught:
        SegmentationColumn(ids={"a": 0, "b": 1}, void=[7, 8]).read(path)
    assert str(caught.value) == (
        f"{path} has the ids 9 in 3 pixels, 200 in 1 pixel, expected 0, 1, and 7, 8 where there is none: declare all "
        "classes, or mend the file"
    )
    with pytest.raises(
        InputError, match=r"has the ids 9 in 3 pixels, .* expected those of 2 classes from 0 on: declare"
    ):
        SegmentationColumn(classes=["a", "b"], void=None).read(path)
    red = save(tmp_path / "mask.png", np.array([[[255, 0, 0], [0, 0, 0], [255, 0, 0]]], np.uint8))
    with pytest.raises(InputError) as caught:
        SegmentationColumn(colours={"a": [0, 0, 0], "b": [1, 1, 1]}).read(red)
    assert str(caught.value) == (
        f"{red} has the colour [255, 0, 0] in 2 pixels, expected those of 2 classes: declare the colours of all "
        "classes, or save masks that were neither resized nor compressed"
    )
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    with pytest.raises(InputError, match=r"and \d+ more in \d+ pixels, expected those") as caught:
        SegmentationColumn(colours={"a": [0, 0, 0], "b": [1, 1, 1]}).read(save(tmp_path / "noise.png", noise))
    assert len(str(caught.value)) < 1200 + len(str(tmp_path))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"ids": {"a": 0, "b": [1, 0]}}, "in which the id 0 has two classes, 'a' and 'b'"),
        ({"ids": {0: "a", "0": "b", 1: "c"}}, "in which the id 0 has two classes, 'a' and 'b'"),
        ({"ids": {"a": [0, 1], "b": "1"}}, "in which the id 1 has two classes, 'a' and 'b'"),
        ({"ids": {"a": 0, 1: "b"}}, "whose keys are numbers and names"),
        ({"ids": {"a": 0, "b": []}}, "which gives 'b' no id"),
        ({"ids": {"a": 0, "b": 1.5}}, "which gives 'b' no id"),
        ({"ids": {"a": 0, "b": True}}, "which YAML reads as true or false"),
        ({"ids": {"a": 0, "b": 1}, "void": [4, 1]}, "'void' of it is [4, 1], which is the id of a class in 'ids'"),
        ({"ids": {"a": 0, "b": 1}, "void": [0, 0, 0]}, "'void' of it is [0, 0, 0], which is the id of a class"),
        ({"ids": {"a": 0, "b": 1}, "colours": {"a": [0, 0, 0], "b": [1, 1, 1]}}, "beside 'ids': give one of them"),
        ({"colours": {"a": [0, 0, 0], "b": [[1, 1, 1], "#000000"]}}, "the colour [0, 0, 0] has two classes, 'a' and"),
        ({"classes": ["a", "b"], "colours": {"a": [0, 0, 0]}}, "which lacks a colour of 'b', a class of 'classes'"),
        ({"classes": ["a", "b"], "colours": {"a": [0] * 3, "b": [1] * 3, "c": [2] * 3}}, "which has 'c', expected a"),
        ({"colours": {"a": [0, 0, 0], "b": [0, 0, 256]}}, "'colours.b.0.2' of it is 256"),
        ({"colours": {"a": [0, 0, 0], "b": []}}, "'colours.b' of it is []"),
        ({"colours": {"a": [0, 0, 0]}}, "'classes' of it is ['a'], "),
        ({"colours": {"a": [0] * 3, "b": [1] * 3}, "void": 255}, "expected a colour such as [0, 0, 0]"),
        ({"colours": {"a": [0] * 3, "b": [1] * 3}, "void": "#010101"}, "which is a colour of 'b', and cannot mean"),
        ({"coded": {"a": [0] * 3}}, "unknown key of it 'coded'"),
        ({"classes": ["a", "b"], "void": "none"}, "'void.0' of it is 'none'"),
    ],
)
def test_declarations_that_cannot_be_are_one_sentence(keys: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        declare(SegmentationColumn, keys, "it")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_a_column_goes_to_other_processes_without_its_tables(tmp_path: Path) -> None:
    column = declare(SegmentationColumn, {"colours": COLOURS}, "it")
    path = save(tmp_path / "mask.png", PIXELS)
    before = column.read(path)
    sent = pickle.dumps(column)
    assert len(sent) < 10_000
    assert (pickle.loads(sent).read(path) == before).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 2)), r"holds float64 \(2, 2\), expected whole numbers \(H, W\), a map of class ids"),
        (np.zeros((2, 2, 3), np.uint8), r"holds uint8 \(2, 2, 3\), expected whole numbers"),
        (np.zeros((0, 2), np.uint8), "holds no plain array of numbers"),
    ],
)
def test_arrays_of_no_use_are_refused(values: np.ndarray, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        SegmentationColumn(classes=["a", "b"]).read(save(tmp_path / "ids.npy", values))


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_masks_of_colours_refuse_what_has_none(suffix: str, tmp_path: Path) -> None:
    column = SegmentationColumn(colours={"a": [0, 0, 0], "b": [1, 1, 1]})
    with pytest.raises(InputError, match=r"mode I;16, expected RGB or P or L|holds uint16 \(2, 2\), expected uint8"):
        column.read(save(tmp_path / f"ids{suffix}", np.zeros((2, 2), np.uint16)))


def test_pixels_that_are_seen_through_have_no_colour(tmp_path: Path) -> None:
    path = save(tmp_path / "mask.png", np.array([[[0, 0, 0, 255], [0, 0, 0, 9]]], np.uint8))
    with pytest.raises(InputError, match="has 1 pixel that is not opaque, expected RGB"):
        SegmentationColumn(colours={"a": [0, 0, 0], "b": [1, 1, 1]}).read(path)
