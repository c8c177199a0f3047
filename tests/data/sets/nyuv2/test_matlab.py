from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest

from afanet.data.checks.leaks import leaks
from afanet.data.sets.nyuv2.classes import label_table
from afanet.data.sets.nyuv2.matlab import MatFile
from afanet.data.sets.nyuv2.nyuv2 import open_nyuv2
from afanet.errors import InputError

from ....bounds import bounded

ALL = label_table("classes894", 40)


def write_scenes(mat: Path, names: Sequence[str]) -> None:
    with h5py.File(mat, "r+") as file:
        scenes = file.create_dataset("scenes", (1, len(names)), h5py.ref_dtype)
        for number, name in enumerate(names):
            letters = file.create_dataset(f"#refs#/{number}", data=np.array([[ord(letter)] for letter in name], "u2"))
            scenes[0, number] = letters.ref


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
        with pytest.raises(InputError, match=r"labeled\.mat is not a complete MATLAB 7\.3 file .*copy it again"):
            MatFile(mat, ALL)


def test_a_damaged_matlab_frame_is_named_when_it_is_read(mat: Path):
    with h5py.File(mat, "r+") as file:
        images = file["images"][:]
        del file["images"]
        stored = file.create_dataset("images", data=images, chunks=(1, 3, 16, 12), compression="gzip")
        offset = stored.id.get_chunk_info(1).byte_offset
    with mat.open("r+b") as file:
        file.seek(offset)
        file.write(b"\0" * 40)
    frames = MatFile(mat, ALL)
    assert frames(1)["id"] == "nyu_depth_v2_labeled.mat#1"
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


def test_a_scene_in_two_splits_is_told(mat: Path):
    assert [MatFile(mat, ALL).group(index) for index in range(1, 5)] == [None] * 4
    assert leaks(open_nyuv2(mat)) == []
    write_scenes(mat, ["office_0001", "office_0001", "kitchen_0004", "kitchen_0004"])
    assert [MatFile(mat, ALL).group(index) for index in (1, 4)] == ["scene office_0001", "scene kitchen_0004"]
    # The fourth frame is the one for testing.
    assert leaks(open_nyuv2(mat)) == ["scene kitchen_0004 is in split train and split test: keep it in one"]


def test_the_small_official_file_has_scenes_and_no_fault(shared: Callable[[str], Path]):
    data = open_nyuv2(shared("nyuv2_official_mini"))
    groups = {data.train.read.group(item) for split in data.splits.values() for item in split.items}
    assert len(groups) == 10
    assert all(group.startswith("scene scene_") for group in groups)
    assert [*data.problems, *leaks(data)] == []


@pytest.mark.parametrize(
    ("damage", "readable"),
    [
        (np.dtype("u2"), "no"),  # numbers, not references
        (h5py.ref_dtype, "no"),  # references to nothing
        (["a", "b", "c"], 3),
        (["a", "b", "c", "d", "e"], 5),
        (["a", "b", "c", "\0"], 3),
    ],
)
def test_damaged_scenes(mat: Path, damage: np.dtype | list[str], readable: int | str):
    if isinstance(damage, list):
        write_scenes(mat, damage)
    else:
        with h5py.File(mat, "r+") as file:
            file.create_dataset("scenes", (1, 4), damage)
    message = rf"mat has 'scenes' with {readable} readable names, expected one for each of 4 frames: copy it again"
    with pytest.raises(InputError, match=message):
        MatFile(mat, ALL)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
def test_depth_that_is_none(mat: Path, wrong: float):
    with h5py.File(mat, "r+") as file:
        file["depths"][1, 3, 4] = wrong
    assert MatFile(mat, ALL)(1)["id"] == "nyu_depth_v2_labeled.mat#1"
    with pytest.raises(InputError, match=rf"frame 2, has depth {wrong}, expected metres, or 0"):
        MatFile(mat, ALL)(2)


@pytest.mark.parametrize("shape", [(10**12, 12, 16), (4, 10**6, 10**6)])
def test_a_small_file_that_claims_endless_arrays_is_refused(mat: Path, shape: tuple[int, int, int]) -> None:
    with h5py.File(mat, "w") as file:
        frames, width, height = shape
        file.create_dataset("images", (frames, 3, width, height), np.uint8, chunks=(1, 3, 1, 1))
        for name in ("labels", "depths"):
            file.create_dataset(name, shape, np.float32, chunks=(1, 1, 1))
    with bounded(), pytest.raises(InputError, match=r"expected at most 1,000,000 of 64,000,000 pixels"):
        open_nyuv2(mat)


def test_scenes_without_end_are_not_read(mat: Path) -> None:
    with h5py.File(mat, "a") as file:
        file.create_dataset("scenes", (10**12,), h5py.ref_dtype, chunks=(1,))
    with bounded(), pytest.raises(InputError, match="'scenes' with no readable names"):
        open_nyuv2(mat)
    with h5py.File(mat, "a") as file:
        del file["scenes"]
        long = file.create_dataset("long", (10**12,), np.uint16, chunks=(1,), fillvalue=65)
        file.create_dataset("scenes", data=[long.ref] * 4, dtype=h5py.ref_dtype)
    with bounded(), pytest.raises(InputError, match="'scenes' with no readable names"):
        open_nyuv2(mat)
