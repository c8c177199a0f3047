from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from afanet.data.nyuv2.frames import Folders, MatFile
from afanet.data.nyuv2.nyuv2 import label_table, open_nyuv2
from afanet.errors import InputError

FORTY = label_table("classes40", 40)
ALL = label_table("classes894", 40)


def test_folders_that_are_not_whole(folders: Path):
    (folders / "label40/0003.png").unlink()
    with pytest.raises(InputError, match=r"label40 has 3 frames and lacks 1 .* the first 0003\.png"):
        open_nyuv2(folders)
    for path in (folders / "label40").iterdir():
        path.unlink()
    (folders / "label40").rmdir()
    with pytest.raises(InputError, match="label40 is missing, expected rgb/, label40/, depth_mm/"):
        open_nyuv2(folders)


def test_labels_outside_the_classes(folders: Path):
    Image.fromarray(np.full((12, 16), 41, np.uint8)).save(folders / "label40/0002.png")
    with pytest.raises(InputError, match=r"label40/0002\.png has label 41, expected 0 \(void\) to 40"):
        Folders(folders, FORTY)(2)


@pytest.mark.parametrize(("folder", "dtype"), [("label40", np.uint8), ("depth_mm", np.uint16)])
def test_maps_of_another_size_than_the_photo(folders: Path, folder: str, dtype: type):
    Image.fromarray(np.ones((16, 12), dtype)).save(folders / folder / "0002.png")
    with pytest.raises(InputError, match=rf"{folder}/0002\.png is 16x12 pixels, expected 12x16 as its photo .*0002"):
        Folders(folders, FORTY)(2)


def test_a_cut_photo_is_named_when_it_is_read(folders: Path):
    path = folders / "rgb/0002.jpg"
    path.write_bytes(path.read_bytes()[:-60])
    data = open_nyuv2(folders, (12, 16))
    assert data.train[0]["id"] == "nyuv2/0001"
    with pytest.raises(InputError, match=r"rgb/0002\.jpg cannot be read as an image"):
        data.train[1]


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
