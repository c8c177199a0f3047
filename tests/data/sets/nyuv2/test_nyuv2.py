from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from afanet.data.sets.nyuv2.classes import label_table
from afanet.data.sets.nyuv2.nyuv2 import open_nyuv2
from afanet.errors import InputError

from ...pipes import everything, pipes_refused


def test_folders_and_the_official_file_agree_on_the_same_frames(shared: Callable[[str], Path]):
    mini, folders = open_nyuv2(shared("nyuv2_official_mini")), open_nyuv2(shared("nyuv2_288x384"))
    same = [50, 164, 177, 218, 654, 667, 825, 848, 980, 1070]  # the ten frames of the small file
    read_mini, read_folders = mini.train.read, folders.train.read
    for position, index in enumerate(same, start=1):
        from_mat, from_folders = mini.test.transform(read_mini(position)), folders.test.transform(read_folders(index))
        assert (from_mat["image"] - from_folders["image"]).abs().mean() < 0.06  # JPEG
        labels, again = from_mat["targets"]["segmentation"], from_folders["targets"]["segmentation"]
        assert (labels == again).double().mean() > 0.97  # edges fall by the other resizing
        depth, copy = from_mat["targets"]["depth"], from_folders["targets"]["depth"]
        assert (depth - copy).abs().median() < 0.012


def test_the_official_split_of_the_real_frames(shared: Callable[[str], Path]):
    data = open_nyuv2(shared("nyuv2_288x384"), (72, 96), classes=13)
    assert (len(data.train), len(data.test)) == (795, 654)
    assert data.describe == "nyuv2: 795 training and 654 test frames from folders, 13 classes and depth, at 72x96"
    sample = data.test[0]
    assert sample["id"] == "rgb/0001.jpg"
    assert set(sample["targets"]["segmentation"].unique().tolist()) <= {*range(13), 255}
    assert 0.5 < sample["targets"]["depth"].min() < sample["targets"]["depth"].max() < 10


def test_either_layout_is_told_by_looking(folders: Path):
    data = open_nyuv2(folders, (12, 16), classes=40)
    assert [data.train[i]["id"] for i in range(3)] == ["rgb/0001.jpg", "rgb/0002.jpg", "rgb/0003.jpg"]
    sample = data.test[0]
    assert sample["id"] == "rgb/0004.jpg"
    written = (np.arange(192).reshape(12, 16) + 4) % 41
    expected = np.where(written == 0, 255, written - 1)
    np.testing.assert_array_equal(sample["targets"]["segmentation"], expected)
    metres = (1000 + np.arange(192).reshape(12, 16)) * 4 / 1000
    metres[0, 0] = 0
    np.testing.assert_allclose(sample["targets"]["depth"][0], metres, rtol=1e-6)


def test_the_matlab_file_or_its_folder_give_the_same(mat: Path):
    by_file, by_folder = open_nyuv2(mat, (12, 16)), open_nyuv2(mat.parent, (12, 16))
    first, second = by_file.test[0], by_folder.test[0]
    assert torch.equal(first["image"], second["image"])
    written = np.arange(3 * 192, 4 * 192).reshape(12, 16)
    np.testing.assert_array_equal(first["targets"]["segmentation"], label_table("classes894", 40)[written])


def test_a_path_of_another_layout(tmp_path: Path, adience: Path):
    message = (
        r"not have the layout of 'nyuv2', found aligned, fold_0.* and 2 more: give .*nyu_depth.*rgb/.*NYUD_MT.*MTAN"
    )
    with pytest.raises(InputError, match=message):
        open_nyuv2(adience)
    (tmp_path / "note.txt").write_text("no MATLAB file")
    with pytest.raises(InputError, match=r"note\.txt is not a complete MATLAB 7\.3 file"):
        open_nyuv2(tmp_path / "note.txt")


@pytest.mark.parametrize("layout", ["folders", "nyud_mt", "mtan"])
def test_raw_depth_is_in_the_official_file_alone(layout: str, request: pytest.FixtureRequest):
    with pytest.raises(InputError, match=r"has no raw depth, which only nyu_depth_v2_labeled\.mat holds"):
        open_nyuv2(request.getfixturevalue(layout), classes=13, depth="raw")


@pytest.mark.parametrize("layout", ["folders", "mat", "nyud_mt", "mtan"])
def test_normals_come_with_every_layout_if_asked_for(layout: str, request: pytest.FixtureRequest):
    root = request.getfixturevalue(layout)
    assert list(open_nyuv2(root, (12, 16), classes=13).tasks) == ["segmentation", "depth"]
    data = open_nyuv2(root, (12, 16), classes=13, normals=True)
    assert not data.problems
    assert list(data.tasks) == ["segmentation", "depth", "normals"]
    own = layout in ("nyud_mt", "mtan")
    assert data.describe.endswith(f"depth and {'its own normals' if own else 'normals from depth'}, at 12x16")
    target = data.train[0]["targets"]["normals"]
    assert (target.shape, target.dtype) == ((3, 12, 16), torch.float32)
    length = target.norm(dim=0)
    assert ((length == 0) | ((length - 1).abs() < 1e-5)).all()
    assert bool((length > 0).any()) == (layout != "mat")  # whose depth is noise


def test_normals_of_real_frames_look_at_the_camera_and_floors_look_up(shared: Callable[[str], Path]):
    data = open_nyuv2(shared("nyuv2_288x384"), (144, 192), classes=40, normals=True)
    sample = data.test[0]["targets"]
    normals = sample["normals"]
    assert (normals.norm(dim=0) > 0).double().mean() > 0.95
    assert (normals[2] > 0).double().mean() > 0.9
    floor = sample["segmentation"] == 1
    assert floor.any()
    assert normals[1][floor].median() > 0.9


@pytest.mark.parametrize("layout", ["nyud_mt", "mtan"])
def test_no_layout_waits_for_a_pipe(layout: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(layout)
    assert pipes_refused(root, lambda: everything("nyuv2", root, normals=True)) >= 5


def test_no_official_file_is_a_pipe(mat: Path) -> None:
    assert pipes_refused(mat.parent, lambda: everything("nyuv2", mat)) == 1
