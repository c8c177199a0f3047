from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from afanet.data.files import first_names, other_layout, require_path, require_shape
from afanet.errors import InputError
from afanet.label_files import read_array, read_image

from ..bounds import bounded


def test_an_image_cut_anywhere_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)).save(path)
    whole = path.read_bytes()
    assert read_image(path, "RGB", "photo").shape == (40, 50, 3)
    for length in (0, 1, 10, 100, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"photo\.png cannot be read as an image .*copy this photo again"):
            read_image(path, "RGB", "photo")
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("form", ["GIF", "TIFF", "BMP", "WEBP"])
def test_a_label_map_in_a_format_that_is_not_read_is_not_to_be_copied_again(tmp_path: Path, form: str):
    Image.new("L", (4, 3)).save(tmp_path / "map.png", form)
    said = rf"map\.png is {form}, .*expected a PNG for a label map: save the original labels as a PNG"
    with pytest.raises(InputError, match=f"(?i){said}"):
        read_image(tmp_path / "map.png", "L", "label map")


def test_other_modes_are_refused_for_labels(tmp_path: Path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(grey.astype(np.uint16) * 300).save(tmp_path / "depth.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", "L", "label map"), grey)
    np.testing.assert_array_equal(read_image(tmp_path / "depth.png", "I;16", "depth map"), grey.astype(int) * 300)
    with pytest.raises(InputError, match=r"palette\.png is an image of mode P, expected L for a label map"):
        read_image(tmp_path / "palette.png", "L", "label map")
    with pytest.raises(InputError, match=r"grey\.png is an image of mode L, expected I;16 for a depth map"):
        read_image(tmp_path / "grey.png", "I;16", "depth map")
    with pytest.raises(InputError, match=r"grey\.png is an image of mode L, expected RGB for a map of normals"):
        read_image(tmp_path / "grey.png", "RGB", "map of normals")
    with pytest.raises(InputError, match=r"none\.png is missing"):
        read_image(tmp_path / "none.png", "L", "label map")


def test_paths_that_hold_nothing_say_so(tmp_path: Path):
    with pytest.raises(InputError, match="got no path: give it with --data"):
        require_path(None, "nyuv2", "a folder")
    with pytest.raises(InputError, match=r"gone' does not exist, expected a folder$"):
        require_path(tmp_path / "gone", "nyuv2", "a folder")
    with pytest.raises(InputError, match=r"is an empty folder, expected a folder$"):
        require_path(tmp_path, "nyuv2", "a folder")
    for name in "abcdef":
        (tmp_path / name).touch()
    assert require_path(tmp_path, "nyuv2", "a folder") == tmp_path
    assert require_path(tmp_path / "a", "nyuv2", "a file") == tmp_path / "a"
    assert str(other_layout(tmp_path, "nyuv2", "a folder")).endswith("found a, b, c, d and 2 more: give a folder")


@given(names=st.sets(st.sampled_from("abcdefgh")))
def test_the_first_names_stand_for_all(tmp_path_factory, names: set[str]):
    folder = tmp_path_factory.mktemp("names")
    for name in names:
        (folder / name).touch()
    listed, _, more = first_names(folder).partition(" and ")
    assert listed == (", ".join(sorted(names)[:4]) or "nothing")
    assert more == (f"{len(names) - 4} more" if len(names) > 4 else "")


@pytest.mark.parametrize("dtype", ["u1", "i8", "f2", "f8"])
def test_an_array_comes_back_as_written_or_is_refused_by_name(tmp_path: Path, dtype: str):
    path, written = tmp_path / "map.npy", np.arange(12).reshape(3, 4).astype(dtype)
    np.save(path, written)
    read = read_array(path, "map")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, written)
    whole = path.read_bytes()
    for length in (0, 1, 50, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"map\.npy cannot be read as an array .*copy this map again"):
            read_array(path, "map")
    path.unlink()
    with pytest.raises(InputError, match=r"map\.npy is missing: every frame needs its map"):
        read_array(path, "map")


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([True]), np.array([1j]), np.ones((0, 3))])
def test_what_are_no_numbers_is_refused(tmp_path: Path, array: np.ndarray):
    np.save(tmp_path / "map.npy", array)
    with pytest.raises(InputError, match=r"map\.npy holds no plain array of numbers, expected a map"):
        read_array(tmp_path / "map.npy", "map")
    with (tmp_path / "map.npy").open("wb") as file:
        np.savez(file, array)
    with pytest.raises(InputError, match=r"map\.npy holds no plain array of numbers, expected a map"):
        read_array(tmp_path / "map.npy", "map")


def test_shapes_are_compared_whole():
    require_shape("map", (2, 3), "photo", [2, 3])
    with pytest.raises(InputError, match="map is 2x3 pixels, expected 2x3x3 as its photo of May: resize it"):
        require_shape("map", (2, 3), "of May", (2, 3, 3))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_small_file_that_unpacks_to_a_huge_picture_is_refused_by_its_head(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "label.png"
    Image.new("1", (10_000, 9_000)).save(path)
    assert path.stat().st_size < 100_000
    with bounded(), warnings.catch_warnings(action="error"), pytest.raises(InputError) as caught:
        read_image(path, mode, "label map")
    assert str(caught.value) == f"{path} has 9000x10000 pixels, expected at most 64,000,000: resize it"


@pytest.mark.parametrize("shape", [(10**12,), (10**6, 10**6, 3), (10**30,), (-1,), (2**40, 0)])
def test_a_header_that_claims_more_than_there_is_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "map.npy"
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
        stream.write(bytes(64))
    with bounded(), pytest.raises(InputError, match=r"map\.npy (cannot be read as an array|holds no plain array)"):
        read_array(path, "map")
