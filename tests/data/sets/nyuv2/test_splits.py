from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from afanet.data.sets.nyuv2.nyuv2 import open_nyuv2
from afanet.data.sets.nyuv2.splits import read_splits
from afanet.errors import InputError

FRAMES = {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"other": np.ones(3)}, "holds other, expected trainNdxs and testNdxs"),
        ({}, "holds nothing, expected"),
        (
            {"trainNdxs": np.array([1, 9, 8]), "testNdxs": np.array([2])},
            "has 9 in trainNdxs, expected indices of the 4",
        ),
        ({"trainNdxs": np.array([0, 1]), "testNdxs": np.array([2])}, "has 0 in trainNdxs"),
        ({"trainNdxs": np.array([1.5]), "testNdxs": np.array([2])}, "has 1.5 in trainNdxs"),
        ({"trainNdxs": np.array([1]), "testNdxs": np.array([])}, "has nothing in testNdxs"),
        ({"trainNdxs": np.array(["a"]), "testNdxs": np.array([2])}, "has a in trainNdxs"),
        ({"trainNdxs": np.array([1, np.nan, 2]), "testNdxs": np.array([3])}, "has nan in trainNdxs"),
        ({"trainNdxs": np.array([1, -1, 2]), "testNdxs": np.array([3])}, "has -1 in trainNdxs"),
        ({"trainNdxs": np.array([1, 2]), "testNdxs": np.array([2])}, "has frame 2 in trainNdxs and in testNdxs"),
    ],
)
def test_splits_of_wrong_content(tmp_path: Path, content, message):
    savemat(tmp_path / "splits.mat", content)
    with pytest.raises(InputError, match=f"splits.mat {message}"):
        read_splits(tmp_path / "splits.mat", FRAMES)


def test_indices_without_a_frame_are_named_each(tmp_path: Path):
    path = tmp_path / "splits.mat"
    savemat(path, {"trainNdxs": np.array([1.0, 9.0, 2.0, 8.0]), "testNdxs": np.array([7, 3])})
    train, test, absent = read_splits(path, FRAMES)
    assert (train, test) == ([1, 2], [3])
    assert [sentence.partition(",")[0] for sentence in absent] == [
        f"{path} has {index} in {key}" for index, key in ((9, "trainNdxs"), (8, "trainNdxs"), (7, "testNdxs"))
    ]


def test_splits_missing_or_cut(folders: Path):
    path = folders / "splits.mat"
    assert read_splits(path, FRAMES) == ([1, 2, 3], [4], [])
    whole = path.read_bytes()
    for length in (0, 3, 60, 128, 150, len(whole) - 20):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"splits\.mat (cannot be read as a MATLAB file|holds)"):
            read_splits(path, FRAMES)
    path.unlink()
    with pytest.raises(InputError, match=r"splits\.mat is missing"):
        open_nyuv2(folders)


def test_a_split_of_more_bytes_than_any_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "splits.mat").write_bytes(bytes(300_000))
    with pytest.raises(InputError, match=r"splits\.mat has 300,000 bytes, expected at most 262,144"):
        read_splits(tmp_path / "splits.mat", FRAMES)
