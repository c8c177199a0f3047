from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from afanet.data.sets.adience.adience import hold_out, open_adience
from afanet.errors import InputError
from afanet.normalisation import IMAGENET

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
        pixel = [255 * (float(sample["image"][c, 0, 0]) * IMAGENET.std[c] + IMAGENET.mean[c]) for c in range(3)]
        assert pixel == pytest.approx([40 * fold, 100, 7], abs=0.01)


def test_describe_counts(adience: Path):
    path = adience / "fold_0_data.txt"
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    description = open_adience(adience, SIZE, fold=1).describe
    assert description.startswith(
        "adience: 6 training and 2 test photos (fold 1) of aligned/, at 8x10; gender f 4, m 2, none 2;"
    )
    assert "(0, 2) 2, (4, 6) 0" in description
    assert description.endswith("4 odd ages mapped; left out 1 duplicate rows and 2 unlabelled")


def test_odd_ages_by_either_policy(adience: Path):
    mapped, dropped = (open_adience(adience, SIZE, ages=ages) for ages in ("map", "drop"))
    assert "4 odd ages mapped; left out 0 duplicate rows and 2 unlabelled" in mapped.describe
    assert "4 odd ages dropped; left out 0 duplicate rows and 4 unlabelled" in dropped.describe
    assert [len(mapped.train), len(dropped.train)] == [6, 4]
    for data, listed in ((mapped, "mapped to the class they mean"), (dropped, "taken as unlabelled")):
        [warning] = data.warnings
        assert warning.startswith(f"4 rows have an age outside the eight ranges, {listed}")
        assert warning.endswith(": 35 2, (38, 42) 2")
    targets = [dropped.train[index]["targets"] for index in range(4)]
    assert [(int(target["gender"]), int(target["age"])) for target in targets] == [(1, 4), (1, 4), (0, -1), (0, -1)]


@pytest.mark.parametrize("share", [0.1, 0.34, 0.5])
def test_validation_takes_whole_users_from_training_alone(adience: Path, share: float):
    for path in sorted(adience.glob("fold_*_data.txt")):  # a second photo for everyone
        header, *rows = path.read_text().splitlines()
        for row in rows:
            user, photo, face, *rest = row.split("\t")
            name = f"landmark_aligned_face.{face}."
            shutil.copy(adience / "aligned" / user / (name + photo), adience / "aligned" / user / f"{name}2{photo}")
            rows = [*rows, "\t".join([user, f"2{photo}", face, *rest])]
        path.write_text("\n".join([header, *rows]) + "\n")
    whole, parted = (open_adience(adience, SIZE, validation=validation) for validation in (0.0, share))
    assert whole.validation is None
    assert parted.validation is not None
    users = [{parted.train.read.group(face) for face in split.items} for split in (parted.train, parted.validation)]
    assert not users[0] & users[1]
    assert len(users[1]) == max(1, round(share * 6))
    assert {*parted.train.items, *parted.validation.items} == {*whole.train.items}
    assert parted.test.items == whole.test.items
    assert f"{len(parted.train)} training, {len(parted.validation)} validation and 4 test photos" in parted.describe


@given(st.sets(st.text(st.characters(codec="utf-8")), min_size=2), st.floats(0, 0.5), st.randoms())
def test_who_is_held_out_depends_on_no_order_and_grows_with_the_share(users, share, random):
    order = list(users)
    random.shuffle(order)
    held = hold_out(order + order, share)
    assert held == hold_out(sorted(users), share)
    assert held <= hold_out(users, 0.5) < users
    assert len(held) == (max(1, round(share * len(users))) if share else 0)


def test_the_other_image_folder(adience: Path):
    shutil.move(adience / "aligned", adience / "faces")
    for path in list((adience / "faces").glob("*/*")):
        path.rename(path.with_name(path.name.replace("landmark_aligned_face", "coarse_tilt_aligned_face")))
    data = open_adience(adience, SIZE)
    assert data.test[0]["id"] == "adience/faces/00@N00/coarse_tilt_aligned_face.0.0_o.jpg"
    with pytest.raises(InputError, match="has faces/ but no aligned/: unpack it"):
        open_adience(adience, SIZE, folder="aligned")
    shutil.copytree(adience / "faces", adience / "aligned")
    assert open_adience(adience, SIZE, folder="faces").test[0]["id"] == data.test[0]["id"]
    # aligned/ comes first, and nothing in it has the right name
    with pytest.raises(
        InputError, match=r"0 labelled photos to train on and 0 to test on .*aligned_face.0.0_o.jpg is mi"
    ):
        open_adience(adience, SIZE)


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
    with pytest.raises(InputError, match=r"00@N00/landmark_aligned_face\.0\.0_o\.jpg is cut short or broken"):
        data.test[0]
    (adience / "fold_3_data.txt").unlink()
    with pytest.raises(InputError, match=r"fold_3_data\.txt is missing"):
        open_adience(adience, SIZE)
    with pytest.raises(InputError, match="does not have the layout of 'adience', found no folder but a file"):
        open_adience(mat, SIZE)


def test_every_photo_that_is_missing_and_every_broken_row_is_listed(adience: Path):
    photos = [adience / f"aligned/{user}@N00/landmark_aligned_face.{user[1]}.{user[1]}_o.jpg" for user in ("00", "11")]
    for photo in photos:
        photo.unlink()
    path = adience / "fold_4_data.txt"
    path.write_text(path.read_text().replace("\tf\t", "\tx\t", 1))
    data = open_adience(adience, SIZE)
    assert len(data.problems) == 3
    assert data.problems[0].startswith(f"{path}, line 2, has gender 'x'")
    for problem, photo in zip(data.problems[1:], photos, strict=True):
        assert problem.startswith(f"{photo} is missing")
    assert (len(data.train), len(data.test)) == (4, 1)
    assert all(data.train[index] for index in range(4))


def test_a_fold_with_nothing_to_test_on_is_refused(adience: Path):
    with pytest.raises(InputError, match=r"8 labelled photos to train on and 0 to test on \(fold 2\)"):
        open_adience(adience, SIZE, fold=2)


def test_real_faces(shared: Callable[[str], Path]):
    data = open_adience(shared("faces_adience_layout"), (56, 56), fold=0)
    assert (len(data.train), len(data.test)) == (4800, 1200)
    assert data.test[3]["image"].shape == (3, 56, 56)
    assert "f 2924, m 3076, none 0" in data.describe
