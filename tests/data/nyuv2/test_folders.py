from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.data.nyuv2.classes import label_table
from afanet.data.nyuv2.folders import Folders
from afanet.data.nyuv2.nyuv2 import open_nyuv2
from afanet.errors import InputError

FORTY = label_table("classes40", 40)


def test_folders_that_are_not_whole(folders: Path):
    (folders / "label40/0003.png").unlink()
    with pytest.raises(
        InputError, match="label40 has 3 frames and lacks 1 that the other folders have, the first 0003"
    ):
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


@pytest.mark.parametrize(
    ("folder", "image", "said"),
    [
        ("label40", Image.new("P", (16, 12)), "is an image of mode P, expected L for a label map"),
        ("label40", Image.new("RGB", (16, 12)), "is an image of mode RGB, expected L for a label map"),
        ("label40", Image.new("I;16", (16, 12)), "is an image of mode I;16, expected L for a label map"),
        ("depth_mm", Image.new("L", (16, 12)), "is an image of mode L, expected I;16 for a depth map"),
    ],
)
def test_maps_stored_in_another_mode(folders: Path, folder: str, image: Image.Image, said: str):
    image.save(folders / folder / "0002.png")
    with pytest.raises(InputError, match=rf"{folder}/0002\.png {said}"):
        Folders(folders, FORTY)(2)


def test_files_that_are_no_frames_do_not_count(folders: Path):
    (folders / "rgb/Thumbs.jpg").write_text("")
    assert Folders(folders, FORTY).indices == {1, 2, 3, 4}
