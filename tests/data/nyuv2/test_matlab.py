from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from afanet.data.nyuv2.classes import label_table
from afanet.data.nyuv2.matlab import MatFile
from afanet.data.nyuv2.nyuv2 import open_nyuv2
from afanet.errors import InputError

ALL = label_table("classes894", 40)


def test_matlab_axes_are_turned_back(mat: Path):
    with h5py.File(mat) as file:
        images, depths = file["images"][:], file["depths"][:]
    sample = MatFile(mat, ALL)(3)
    assert sample["image"].shape == (3, 12, 16)
    for row, column in ((0, 0), (0, 15), (11, 0), (5, 9)):
        assert sample["image"][:, row, column].tolist() == images[2, :, column, row].tolist()
        assert sample["targets"]["depth"][0, row, column] == depths[2, column, row]


def test_a_cut_matlab_file(mat: Path):
    whole = mat.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        mat.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"nyu_depth_v2_labeled\.mat is no whole MATLAB 7\.3 file .*copy it again"):
            MatFile(mat, ALL)


def test_a_damaged_matlab_frame_is_named_when_it_is_read(mat: Path):
    with h5py.File(mat, "r+") as file:
        images = file["images"][:]
        del file["images"]
        stored = file.create_dataset("images", data=images, chunks=(1, 3, 16, 12), compression="gzip")
        place = stored.id.get_chunk_info(1).byte_offset
    with mat.open("r+b") as file:
        file.seek(place)
        file.write(b"\0" * 40)
    frames = MatFile(mat, ALL)
    assert frames(1)["id"] == "nyuv2/0001"
    with pytest.raises(InputError, match="is damaged at frame 2"):
        frames(2)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("images", None),
        ("depths", np.ones((4, 12, 16), np.float32)),
        ("images", np.ones((3, 3, 16, 12), np.uint8)),
        ("labels", np.ones(5, np.uint16)),
    ],
)
def test_a_matlab_file_of_other_content(mat: Path, name: str, array: np.ndarray | None):
    with h5py.File(mat, "r+") as file:
        del file[name]
        if array is not None:
            file[name] = array
    with pytest.raises(InputError, match=r"expected images \(N, 3, W, H\)"):
        MatFile(mat, ALL)


def test_matlab_labels_outside_the_classes(mat: Path):
    with h5py.File(mat, "r+") as file:
        file["labels"][1, 3, 4] = 895
    with pytest.raises(InputError, match=r"frame 2, has label 895, expected 0 \(void\) to 894"):
        MatFile(mat, ALL)(2)


def test_raw_depth_keeps_its_holes(mat: Path):
    raw = np.random.default_rng(1).uniform(1, 9, (4, 16, 12)).astype(np.float32)
    raw[:, 5] = 0
    with h5py.File(mat, "r+") as file:
        file["rawDepths"] = raw
    data = open_nyuv2(mat, (12, 16), depth="raw")
    assert "raw depth" in data.describe
    np.testing.assert_array_equal(data.test[0]["targets"]["depth"][0], raw[3].T)
    assert (open_nyuv2(mat, (12, 16)).test[0]["targets"]["depth"] > 0).all()


def test_a_file_without_raw_depth(mat: Path):
    with pytest.raises(InputError, match=r"'rawDepths' of shape none, expected images .*, labels and rawDepths"):
        open_nyuv2(mat, depth="raw")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
def test_depth_that_is_none(mat: Path, wrong: float):
    with h5py.File(mat, "r+") as file:
        file["depths"][1, 3, 4] = wrong
    assert MatFile(mat, ALL)(1)["id"] == "nyuv2/0001"
    with pytest.raises(InputError, match=rf"frame 2, has depth {wrong}, expected metres, or 0"):
        MatFile(mat, ALL)(2)
