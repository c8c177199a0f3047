from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat

from afanet.data.nyuv2.nyuv2 import label_table, open_nyuv2, read_splits, tables
from afanet.errors import InputError


def test_tables_equal_the_official_files(shared: Callable[[str], Path]):
    meta = shared("nyuv2_meta")
    forty = loadmat(meta / "classMapping40.mat", squeeze_me=True)
    thirteen = loadmat(meta / "class13Mapping.mat", squeeze_me=True)["classMapping13"].item()
    assert tables()["classes40"] == [[*pair] for pair in zip(forty["className"], thirteen[0], strict=True)]
    assert tables()["classes894"] == [[*pair] for pair in zip(forty["allClassName"], forty["mapClass"], strict=True)]
    assert tables()["classes13"] == list(thirteen[1])


@pytest.mark.parametrize("classes", [13, 40])
def test_label_tables_reach_every_class_and_agree_on_the_way(classes):
    coarse, fine = label_table("classes40", classes), label_table("classes894", classes)
    assert (len(coarse), len(fine)) == (41, 895)
    assert coarse[0] == fine[0] == 255
    assert set(coarse[1:]) == set(fine[1:]) == set(range(classes))
    to40 = label_table("classes894", 40)
    np.testing.assert_array_equal(fine[1:], coarse[1:][to40[1:]])
    names = [name for name, _ in tables()["classes40"]]
    if classes == 13:  # classes that stand in both tables under one name keep it
        kept = [name for name in tables()["classes13"] if name in names]
        assert len(kept) >= 9
        assert all(tables()["classes13"][coarse[names.index(name) + 1]] == name for name in kept)


def test_folders_and_the_official_file_agree_on_the_same_frames(shared: Callable[[str], Path]):
    mini, folders = open_nyuv2(shared("nyuv2_official_mini")), open_nyuv2(shared("nyuv2_288x384"))
    same = [50, 164, 177, 218, 654, 667, 825, 848, 980, 1070]  # the ten frames of the small file
    read_mini, read_folders = mini.train.read, folders.train.read
    for position, index in enumerate(same, start=1):
        one, other = mini.test.transform(read_mini(position)), folders.test.transform(read_folders(index))
        assert (one["image"] - other["image"]).abs().mean() < 0.06  # JPEG
        labels, again = one["targets"]["segmentation"], other["targets"]["segmentation"]
        assert (labels == again).double().mean() > 0.97  # edges fall by the other resizing
        depth, copy = one["targets"]["depth"], other["targets"]["depth"]
        assert (depth - copy).abs().median() < 0.012


def test_the_official_split_of_the_real_frames(shared: Callable[[str], Path]):
    data = open_nyuv2(shared("nyuv2_288x384"), (72, 96), classes=13)
    assert (len(data.train), len(data.test)) == (795, 654)
    assert data.describe == "nyuv2: 795 training and 654 test frames from folders, 13 classes and depth, at 72x96"
    sample = data.test[0]
    assert sample["id"] == "nyuv2/0001"
    assert set(sample["targets"]["segmentation"].unique().tolist()) <= {*range(13), 255}
    assert 0.5 < sample["targets"]["depth"].min() < sample["targets"]["depth"].max() < 10


def test_either_layout_is_told_by_looking(folders: Path):
    data = open_nyuv2(folders, (12, 16), classes=40)
    assert [data.train[i]["id"] for i in range(3)] == ["nyuv2/0001", "nyuv2/0002", "nyuv2/0003"]
    sample = data.test[0]
    assert sample["id"] == "nyuv2/0004"
    written = (np.arange(192).reshape(12, 16) + 4) % 41
    expected = np.where(written == 0, 255, written - 1)
    np.testing.assert_array_equal(sample["targets"]["segmentation"], expected)
    metres = (1000 + np.arange(192).reshape(12, 16)) * 4 / 1000
    metres[0, 0] = 0
    np.testing.assert_allclose(sample["targets"]["depth"][0], metres, rtol=1e-6)


def test_the_matlab_file_or_its_folder_give_the_same(mat: Path):
    one, other = open_nyuv2(mat, (12, 16)), open_nyuv2(mat.parent, (12, 16))
    first, second = one.test[0], other.test[0]
    assert torch.equal(first["image"], second["image"])
    written = np.arange(3 * 192, 4 * 192).reshape(12, 16)
    np.testing.assert_array_equal(first["targets"]["segmentation"], label_table("classes894", 40)[written])


def test_a_path_of_another_layout(tmp_path: Path, adience: Path):
    with pytest.raises(InputError, match=r"not the layout of 'nyuv2', found aligned, fold_0.* and 2 more: give"):
        open_nyuv2(adience)
    (tmp_path / "note.txt").write_text("no MATLAB file")
    with pytest.raises(InputError, match=r"note\.txt is no whole MATLAB 7\.3 file"):
        open_nyuv2(tmp_path / "note.txt")


FRAMES = {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"other": np.ones(3)}, "holds other, expected trainNdxs and testNdxs"),
        ({}, "holds nothing, expected"),
        ({"trainNdxs": np.array([1, 9]), "testNdxs": np.array([2])}, "has 9 in trainNdxs, expected indices of the 4"),
        ({"trainNdxs": np.array([0, 1]), "testNdxs": np.array([2])}, "has 0 in trainNdxs"),
        ({"trainNdxs": np.array([1.5]), "testNdxs": np.array([2])}, "has 1.5 in trainNdxs"),
        ({"trainNdxs": np.array([1]), "testNdxs": np.array([])}, "has nothing in testNdxs"),
        ({"trainNdxs": np.array(["a"]), "testNdxs": np.array([2])}, "has a in trainNdxs"),
        ({"trainNdxs": np.array([1, 2]), "testNdxs": np.array([2])}, "has frame 2 in trainNdxs and in testNdxs"),
    ],
)
def test_splits_of_wrong_content(tmp_path: Path, content, said):
    savemat(tmp_path / "splits.mat", content)
    with pytest.raises(InputError, match=f"splits.mat {said}"):
        read_splits(tmp_path / "splits.mat", FRAMES)


def test_splits_missing_or_cut(folders: Path):
    path = folders / "splits.mat"
    assert read_splits(path, FRAMES) == ([1, 2, 3], [4])
    whole = path.read_bytes()
    for length in (0, 3, 60, 128, 150, len(whole) - 20):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"splits\.mat (cannot be read as a MATLAB file|holds)"):
            read_splits(path, FRAMES)
    path.unlink()
    with pytest.raises(InputError, match=r"splits\.mat is missing"):
        open_nyuv2(folders)
