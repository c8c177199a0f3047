from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from afanet.data.adience.adience import open_adience
from afanet.data.transforms import IMAGENET_MEAN, IMAGENET_STD
from afanet.errors import InputError

SIZE = (8, 10)


@pytest.mark.parametrize("fold", [0, 1, 3, 4])
def test_one_fold_tests_and_the_others_train(adience: Path, fold: int):
    data = open_adience(adience, SIZE, fold=fold)
    tested = {data.test[i]["id"] for i in range(len(data.test))}
    trained = {data.train[i]["id"] for i in range(len(data.train))}
    assert len(tested) == 2
    assert len(trained) == 6  # fold 2 has no label at all
    assert not tested & trained
    assert all(name.startswith(f"adience/aligned/{fold}") for name in tested)
    assert all((adience / name.removeprefix("adience/")).is_file() for name in tested | trained)


def test_each_label_is_missing_by_itself_and_stays_with_its_photo(adience: Path):
    expected = {0: (0, 0), 1: (1, 4), 3: (-1, 4), 4: (0, 5)}  # (gender, age) by fold
    for fold, labels in expected.items():
        sample = open_adience(adience, SIZE, fold=fold).test[1]
        assert (sample["targets"]["gender"], sample["targets"]["age"]) == labels
        pixel = [255 * (float(sample["image"][c, 0, 0]) * IMAGENET_STD[c] + IMAGENET_MEAN[c]) for c in range(3)]
        assert pixel == pytest.approx([40 * fold, 100, 7], abs=0.01)


def test_describe_counts(adience: Path):
    path = adience / "fold_0_data.txt"
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    said = open_adience(adience, SIZE, fold=1).describe
    assert said.startswith(
        "adience: 6 training and 2 test photos (fold 1) of aligned/, at 8x10; gender f 4, m 2, none 2;"
    )
    assert "(0, 2) 2, (4, 6) 0" in said
    assert said.endswith("4 odd ages mapped; left out 1 duplicate rows and 2 unlabelled")


def test_the_other_image_folder(adience: Path):
    shutil.move(adience / "aligned", adience / "faces")
    for path in list((adience / "faces").glob("*/*")):
        path.rename(path.with_name(path.name.replace("landmark_aligned_face", "coarse_tilt_aligned_face")))
    data = open_adience(adience, SIZE)
    assert data.test[0]["id"] == "adience/faces/00@N00/coarse_tilt_aligned_face.0.0_o.jpg"


def test_fold_files_without_photos(adience: Path, shared: Callable[[str], Path]):
    shutil.rmtree(adience / "aligned")
    for root in (adience, shared("adience_folds")):
        with pytest.raises(InputError, match="has fold files but no photos: unpack aligned/ or faces/"):
            open_adience(root, SIZE)


def test_files_that_are_missing_cut_or_of_another_layout(adience: Path, mat: Path):
    photo = adience / "aligned/00@N00/landmark_aligned_face.0.0_o.jpg"
    Image.new("RGB", (300, 300), (1, 2, 3)).save(photo, "JPEG")
    photo.write_bytes(photo.read_bytes()[:-30])
    data = open_adience(adience, SIZE)
    with pytest.raises(InputError, match=r"00@N00/landmark_aligned_face\.0\.0_o\.jpg cannot be read as an image"):
        data.test[0]
    photo.unlink()
    with pytest.raises(InputError, match=r"0_o\.jpg is missing, one of 1 of 8 photos that the fold files name"):
        open_adience(adience, SIZE)
    (adience / "fold_3_data.txt").unlink()
    with pytest.raises(InputError, match=r"fold_3_data\.txt is missing"):
        open_adience(adience, SIZE)
    with pytest.raises(InputError, match="has not the layout of 'adience', found no folder but a file"):
        open_adience(mat, SIZE)


def test_real_faces(shared: Callable[[str], Path]):
    data = open_adience(shared("faces_adience_layout"), (56, 56), fold=0)
    assert (len(data.train), len(data.test)) == (4800, 1200)
    assert data.test[3]["image"].shape == (3, 56, 56)
    assert "f 2924, m 3076, none 0" in data.describe
