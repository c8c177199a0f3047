"""Maps in files: what they become, and which are refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import OpenEXR
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
    lookup = SegmentationColumn(classes=[str(number) for number in range(classes)], void=void).lookup
    codes = lookup.codes(np.arange(256, dtype=np.uint8))
    targets, is_listed = lookup.target(codes), codes != 0
    assert targets[void] == 255
    assert targets[is_listed & (np.arange(256) != void)].tolist() == list(range(classes))
    assert (~is_listed).sum() == 255 - classes


def test_void_first_or_last(tmp_path: Path):
    Image.fromarray(np.array([[0, 1, 2]], np.uint8)).save(tmp_path / "ids.png")
    read = SegmentationColumn(classes=["a", "b"], void=0).read(tmp_path / "ids.png")
    assert read.tolist() == [[255, 0, 1]]
    with pytest.raises(InputError, match=r"ids\.png has the id 2 in 1 pixel, expected those of 2 classes from 0 on, a"):
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


def test_ids_mean_the_classes_that_they_name(tmp_path: Path):
    path = tmp_path / "ids.png"
    Image.fromarray(np.array([[0, 255, 128, 7]], np.uint8)).save(path)
    column = SegmentationColumn(ids={0: "background", 255: "object", 128: "object"}, void=7)
    assert column.classes == ("background", "object")
    assert column.read(path).tolist() == [[0, 1, 1, 255]]
    turned = SegmentationColumn(
        ids={"0": "background", "255": "object", 128: "object"}, classes=["object", "background"]
    )
    with pytest.raises(InputError, match=r"ids\.png has the id 7 in 1 pixel, expected 0, 255, 128: declare all"):
        turned.read(path)
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(path)
    assert turned.read(path).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "lacks 'classes'"),
        (
            {"ids": {0: "a", 1: "b"}, "classes": ["a", "c"]},
            "'classes' of it is ['a', 'c'], which lacks 'b', a class of",
        ),
        ({"ids": {0: "a", 255: "b"}, "void": 255}, "'void' of it is 255, which is the id of a class in 'ids'"),
        ({"ids": {0: "a", 2**32: "b"}}, "[key]' of it is 4294967296, which should be less than or equal to 4294967295"),
        ({"ids": {0: "a", True: "b"}}, "'ids.1.[key]' of it is True, which YAML reads as true or false"),
        ({"ids": {0: "a", 1: "a"}}, "'classes' of it is ['a'], "),
        ({"ids": [0, 1]}, "'ids' of it is [0, 1], which should be a valid dictionary"),
    ],
)
def test_ids_that_cannot_be_used_are_one_sentence(keys: dict[str, object], message: str):
    with pytest.raises(InputError) as caught:
        declare(SegmentationColumn, keys, "it")
    assert message in str(caught.value)


@pytest.mark.parametrize("greys", [[0, 255], [0, 128, 255], [0, 127, 255], [0, 85, 170, 255]])
def test_masks_in_greys_are_classes_and_none_is_void(tmp_path: Path, greys: list[int]):
    path = tmp_path / "mask.png"
    Image.fromarray(np.array([greys], np.uint8)).save(path)
    declared, remark = SegmentationColumn.guess([path])
    assert remark.startswith(f" with the greys {', '.join(map(str, greys))}, taken to be {len(greys)} classes")
    assert SegmentationColumn(**declared).read(path).tolist() == [list(range(len(greys)))]


@pytest.mark.parametrize("ids", [[0, 1, 255], [0, 2, 255], [0, 40, 255], [0, 1]])
def test_ids_that_count_leave_255_void(tmp_path: Path, ids: list[int]):
    path = tmp_path / "mask.png"
    Image.fromarray(np.array([ids], np.uint8)).save(path)
    declared, _ = SegmentationColumn.guess([path])
    assert SegmentationColumn(**declared).read(path).tolist() == [ids]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_class_ids_in_another_mode_are_refused(tmp_path: Path, mode: str):
    Image.new(mode, (4, 4)).save(tmp_path / "ids.png")
    with pytest.raises(InputError, match=r"mode .*, expected L or P or 1 or I;16 for a map of class ids"):
        SegmentationColumn(classes=["a", "b"]).read(tmp_path / "ids.png")


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_depth_of_eight_bits_is_refused(tmp_path: Path, mode: str):
    Image.new(mode, (4, 4)).save(tmp_path / "depth.png")
    with pytest.raises(InputError, match=r"expected I;16 for a depth map of 16 bits"):
        DepthColumn().read(tmp_path / "depth.png")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 2), np.nan), "infinite or NaN"),
        (np.full((2, 2), np.inf), "infinite or NaN"),
        (np.full((2, 2), 1e300), "infinite or NaN"),
        (np.full((2, 2), -1.0), r"depth -1 m, expected 0 \(not measured\) or more"),
        (np.ones((2, 2), int), r"expected floats, .* or give `scale`, the metres a step"),
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


@pytest.mark.parametrize("dtype", [np.uint16, np.int64, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("scale", [0.001, 0.5, 1.0])
def test_the_scale_counts_in_arrays_as_in_pictures(tmp_path: Path, dtype: type, scale: float):
    steps = np.array([[0, 1, 2], [1500, 2000, 30]])
    np.save(tmp_path / "depth.npy", steps.astype(dtype))
    Image.fromarray(steps.astype(np.uint16)).save(tmp_path / "depth.png")
    column = DepthColumn(scale=scale)
    array, picture = (column.read(tmp_path / f"depth.{suffix}")[0].numpy() for suffix in ("npy", "png"))
    np.testing.assert_allclose(array, steps * scale, rtol=1e-6)
    np.testing.assert_allclose(array, picture, rtol=1e-6)


def test_without_a_scale_arrays_are_metres_and_pictures_millimetres(tmp_path: Path):
    metres = np.array([[0.0, 1.25], [7.0, 0.1]], np.float32)
    np.save(tmp_path / "depth.npy", metres)
    Image.fromarray(np.array([[0, 1250]], np.uint16)).save(tmp_path / "depth.png")
    np.testing.assert_array_equal(DepthColumn().read(tmp_path / "depth.npy")[0], metres)
    np.testing.assert_allclose(DepthColumn().read(tmp_path / "depth.png")[0], [[0, 1.25]])


def test_the_unit_of_depth_is_guessed_by_the_files(tmp_path: Path):
    np.save(tmp_path / "steps.npy", np.ones((2, 2), np.uint16))
    np.save(tmp_path / "metres.npy", np.ones((2, 2)))
    Image.fromarray(np.ones((2, 2), np.uint16)).save(tmp_path / "steps.png")
    steps, metres, picture = (tmp_path / name for name in ("steps.npy", "metres.npy", "steps.png"))
    for files, scale in {(steps,): 0.001, (metres,): None, (picture,): 0.001, (metres, picture): None}.items():
        declared, _ = DepthColumn.guess(list(files))
        assert declared.get("scale") == scale


@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_arrays_of_any_bytes_are_read_or_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.getbasetemp() / "fuzz.npy"
    path.write_bytes(data)
    with pytest.raises(InputError):
        DepthColumn().read(path)


METRES = np.array([[0.0, 1.25, 3.0], [7.0, 0.5, 655.0]], np.float32)


def save_exr(path: Path, channels: dict[str, np.ndarray]) -> None:
    OpenEXR.File({"type": OpenEXR.scanlineimage, "compression": OpenEXR.PIZ_COMPRESSION}, channels).write(str(path))


@pytest.mark.parametrize("scale", [None, 0.25])
@pytest.mark.parametrize("form", ["tif", "steps.tif", "big.tif", "npz", "exr", "rgb.exr", "png"])
def test_distances_are_the_same_in_every_format(form: str, scale: float | None, tmp_path: Path) -> None:
    path, steps = tmp_path / f"depth.{form}", np.rint(METRES * 100).astype(np.uint16)
    if form == "npz":
        np.savez_compressed(path, METRES)
    elif form == "big.tif":
        path.write_bytes(big_endian_tiff(steps))
    elif form.endswith("exr"):
        save_exr(path, dict.fromkeys(["Z"] if form == "exr" else ["R", "G", "B"], METRES))
    else:
        Image.fromarray(METRES if form == "tif" else steps).save(path)
    is_float = form in ("tif", "npz", "exr", "rgb.exr")
    read = DepthColumn(scale=scale).read(path)
    assert read.dtype == torch.float32
    expected = METRES * (scale or 1) if is_float else steps * np.float32(scale or 0.001)
    np.testing.assert_allclose(read[0].numpy(), expected, rtol=1e-6)


def big_endian_tiff(steps: np.ndarray) -> bytes:
    """A TIFF of 16 bits, written by hand: a header, nine entries and the pixels, the highest byte first."""
    height, width = steps.shape
    entries = [(256, width), (257, height), (258, 16), (259, 1), (262, 1), (273, 8 + 2 + 9 * 12 + 4), (277, 1)]
    entries += [(278, height), (279, steps.size * 2)]
    table = b"".join(struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in entries)
    return b"MM\0*" + struct.pack(">IH", 8, len(entries)) + table + bytes(4) + steps.astype(">u2").tobytes()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((2, 2), np.nan, np.float32), "infinite or NaN"),
        (np.full((2, 2), np.inf, np.float32), "infinite or NaN"),
        (np.full((2, 2), -1, np.float32), "depth -1 m, expected 0"),
        (np.full((2, 2), -1, np.int32), "depth -0.001 m, expected 0"),
        (np.full((2, 2), 7, np.uint8), "mode L, expected I;16 or I or F for a depth map"),
    ],
)
@pytest.mark.parametrize("suffix", ["tif", "exr"])
def test_distances_of_no_use_are_refused_in_every_format(
    values: np.ndarray, message: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"depth.{suffix}"
    if suffix == "tif":
        Image.fromarray(values).save(path)
    elif values.dtype == np.float32:
        save_exr(path, dict.fromkeys("RGB", values))
    else:
        save_exr(path, {"R": np.zeros((2, 2), "f"), "G": np.ones((2, 2), "f"), "B": np.ones((2, 2), "f")})
        message = "has red, green and blue that differ, expected a depth map"
    with pytest.raises(InputError, match=message) as caught:
        DepthColumn().read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_whole_numbers_of_a_renderer_need_a_scale(tmp_path: Path) -> None:
    save_exr(tmp_path / "d.exr", {"Z": np.array([[0, 1500]], np.uint32)})
    with pytest.raises(InputError, match=r"holds uint32 .* or give `scale`, the metres a step"):
        DepthColumn().read(tmp_path / "d.exr")
    np.testing.assert_allclose(DepthColumn(scale=0.01).read(tmp_path / "d.exr")[0], [[0, 15]])


def test_the_unit_is_guessed_for_every_format(tmp_path: Path) -> None:
    paths = [tmp_path / f"d.{suffix}" for suffix in ("tif", "exr", "npz", "png")]
    Image.fromarray(METRES).save(paths[0])
    save_exr(paths[1], {"Z": METRES})
    np.savez(paths[2], METRES)
    Image.fromarray(METRES.astype(np.uint16)).save(paths[3])
    declared, remark = DepthColumn.guess(paths[:3])
    assert (declared, remark) == ({"max": 10}, ", taken to be in metres")
    declared, remark = DepthColumn.guess(paths)
    assert (declared, remark) == ({"max": 10}, ", taken to be in millimetres (.png) and metres (.exr, .npz, .tif)")
    np.save(tmp_path / "whole.npy", METRES.astype(int))
    with pytest.raises(InputError, match=r"whole\.npy has whole numbers and .*d\.exr has metres, expected one kind"):
        DepthColumn.guess([*paths, tmp_path / "whole.npy"])


@pytest.mark.parametrize("names", ["XYZ", "RGB"])
def test_normals_of_a_renderer_are_read_as_they_are(names: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    exact = rng.normal(size=(3, 5, 6))
    exact = (exact / np.linalg.norm(exact, axis=0)).astype(np.float32)
    exact[:, 0, 0] = 0
    save_exr(tmp_path / "n.exr", {f"Layer.Normal.{name}": exact[part] for part, name in enumerate(names)})
    np.savez_compressed(tmp_path / "n.npz", exact.transpose(1, 2, 0))
    for suffix in ("exr", "npz"):
        np.testing.assert_allclose(NormalsColumn().read(tmp_path / f"n.{suffix}").numpy(), exact, atol=1e-6)
    save_exr(tmp_path / "n.exr", dict.fromkeys("XYZ", np.full((2, 2), np.nan, np.float32)))
    with pytest.raises(InputError, match="infinite or NaN"):
        NormalsColumn().read(tmp_path / "n.exr")


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
