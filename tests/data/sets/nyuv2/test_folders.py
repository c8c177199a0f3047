from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from afanet.data.checks.survey import survey
from afanet.data.sets.nyuv2.classes import label_table
from afanet.data.sets.nyuv2.folders import FOLDERS, Folders
from afanet.data.sets.nyuv2.nyuv2 import open_nyuv2
from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.runs.setup import open_whole

FORTY = label_table("classes40", 40)


EXPECTED = r"expected rgb/NNNN\.jpg, label40/NNNN\.png, depth_mm/NNNN\.png"


@given(there=st.fixed_dictionaries({folder: st.sets(st.integers(1, 5)) for folder in FOLDERS}))
@settings(deadline=None, max_examples=30)
def test_every_missing_file_is_a_problem_and_whole_frames_stay(tmp_path_factory, there: dict[str, set[int]]):
    root = tmp_path_factory.mktemp("there")
    for folder, indices in there.items():
        (root / folder).mkdir()
        for index in indices | {6, 7, 8, 9, 10, 11}:
            (root / folder / f"{index:04d}{FOLDERS[folder]}").touch()
    savemat(root / "splits.mat", {"trainNdxs": np.arange(1, 11), "testNdxs": np.array([11])})
    data = open_nyuv2(root)
    whole, known = set.intersection(*there.values()), set.union(*there.values())
    assert (data.train.items, data.test.items) == ([*sorted(whole), 6, 7, 8, 9, 10], [11])
    absent = [f"{root}/splits.mat has {index} in trainNdxs" for index in range(1, 6) if index not in known]
    missing = [
        f"{root}/{folder}/{index:04d}{FOLDERS[folder]} is missing"
        for index in sorted(known)
        for folder in FOLDERS
        if index not in there[folder]
    ]
    assert [problem.partition(",")[0] for problem in data.problems] == absent + missing


def test_training_refuses_a_missing_file_that_a_check_lists(folders: Path):
    (folders / "label40/0003.png").unlink()
    (folders / "depth_mm/0004.png").unlink()
    messages = [
        rf"{folders}/{name}.png is missing, and its sample needs it" for name in ("label40/0003", "depth_mm/0004")
    ]
    result = survey(open_nyuv2(folders, (12, 16)), workers=0)
    assert [error for error in result.errors if "is missing" in error] == [
        f"{sentence}: copy or unpack it again" for sentence in messages
    ]
    assert result.splits["train"]["images"] == 2
    with pytest.raises(
        InputError, match=f"the data have 2 errors, and .* lists all:\n  {messages[0]}.*\n  {messages[1]}"
    ):
        open_whole(load_recipe("nyuv2", {"data.root": str(folders)}))


@pytest.mark.parametrize("name", ["3.jpg", "00003.jpg", "0003.JPG", "0003.jpg.jpg"])
def test_a_file_is_a_frame_by_four_digits_alone(folders: Path, name: str):
    (folders / "rgb/0003.jpg").rename(folders / "rgb" / name)
    data = open_nyuv2(folders, (12, 16))
    assert data.train.items == [1, 2]
    assert data.problems == [f"{folders}/rgb/0003.jpg is missing, and its sample needs it: copy or unpack it again"]


def test_folders_that_are_not_there(folders: Path):
    for path in (folders / "label40").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=f"label40 has no frame, {EXPECTED}: copy it again"):
        open_nyuv2(folders)
    (folders / "label40").rmdir()
    with pytest.raises(InputError, match=f"label40 is missing, {EXPECTED}: copy it again"):
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
    assert data.train[0]["id"] == "rgb/0001.jpg"
    with pytest.raises(InputError, match=r"rgb/0002\.jpg is cut short or broken"):
        data.train[1]


@pytest.mark.parametrize(
    ("folder", "image", "message"),
    [
        ("label40", Image.new("P", (16, 12)), "is an image of mode P, expected L for a label map"),
        ("label40", Image.new("RGB", (16, 12)), "is an image of mode RGB, expected L for a label map"),
        ("label40", Image.new("I;16", (16, 12)), "is an image of mode I;16, expected L for a label map"),
        ("depth_mm", Image.new("L", (16, 12)), "is an image of mode L, expected I;16 for a depth map"),
    ],
)
def test_maps_stored_in_another_mode(folders: Path, folder: str, image: Image.Image, message: str):
    image.save(folders / folder / "0002.png")
    with pytest.raises(InputError, match=rf"{folder}/0002\.png {message}"):
        Folders(folders, FORTY)(2)


def test_files_that_are_no_frames_do_not_count(folders: Path):
    (folders / "rgb/Thumbs.jpg").write_text("")
    assert Folders(folders, FORTY).indices == {1, 2, 3, 4}
