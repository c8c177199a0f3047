from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.data.sets.pets import open_pets
from afanet.errors import InputError

SIZE = (8, 10)


@pytest.mark.parametrize("inside", ["", "oxford-iiit-pet"])
def test_the_published_splits_and_classes(pets: Path, inside: str):
    data = open_pets(pets / inside, SIZE)
    assert [len(data.train), len(data.test)] == [6, 3]
    assert [data.test[i]["id"] for i in range(3)] == [
        "pets/Abyssinian_30",
        "pets/american_bulldog_30",
        "pets/Bengal_30",
    ]
    assert data.tasks["breed"].names == ("Abyssinian", "American Bulldog", "Bengal")
    assert data.tasks["species"].names == ("Cat", "Dog")
    assert data.describe == "pets: 6 training and 3 test photos of 3 breeds, at 8x10"
    assert not data.problems


def test_each_photo_has_its_own_breed_species_and_outline(pets: Path):
    data = open_pets(pets, SIZE)
    for split in (data.train, data.test):
        for index in split.items:
            sample = split.read(index)
            label, number, _ = sample["image"][:, 0, 0].tolist()
            assert sample["id"].endswith(f"_{number}")
            assert sample["targets"]["breed"] == label - 1
            assert sample["targets"]["species"] == (label == 2)
            [trimap] = [path for path in split.read.files(index) if path.suffix == ".png"]
            meaning = {1: 0, 2: 1, 3: 255}  # pet, background, not classified
            expected = [meaning[value] for value in np.array(Image.open(trimap)).flatten().tolist()]
            assert sample["targets"]["segmentation"].flatten().tolist() == expected


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("trainval.txt", "Bengal_1 3 1 1", "Bengal_1 3 1", "cannot be read as a list of pets"),
        ("trainval.txt", "Bengal_1 3 1", "Bengal_1 5 1", "does not number breeds from 1 on"),
        ("trainval.txt", "Bengal_1 3 1", "Bengal_1 3 3", "does not number breeds from 1 on"),
        ("test.txt", "Bengal_30 3 1 1\n", "", "does not have the breeds of"),
    ],
)
def test_lists_that_cannot_be_used_are_named(pets: Path, name: str, old: str, new: str, message: str):
    path = pets / "oxford-iiit-pet/annotations" / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError) as caught:
        open_pets(pets, SIZE)
    assert str(caught.value).startswith(f"{path} {message}")


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        (np.full((8, 10), 0, np.uint8), "has values 0 to 0, expected 1 to 3"),
        (np.full((8, 10), 4, np.uint8), "has values 4 to 4, expected 1 to 3"),
        (np.full((8, 9), 1, np.uint8), "is 8x9 pixels, expected 8x10 as its photo"),
        (np.full((8, 10, 3), 1, np.uint8), "is an image of mode RGB, expected L"),
    ],
)
def test_a_trimap_that_cannot_be_used_is_named(pets: Path, outline: np.ndarray, message: str):
    path = pets / "oxford-iiit-pet/annotations/trimaps/Bengal_30.png"
    Image.fromarray(outline).save(path)
    data = open_pets(pets, SIZE)
    with pytest.raises(InputError) as caught:
        data.test[2]
    assert str(caught.value).startswith(f"{path} {message}")


@pytest.mark.parametrize("kind", ["GIF", "BMP", "PNG", "JPEG"])
@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
def test_photos_are_told_by_what_is_in_them_and_not_by_their_ending(pets: Path, kind: str, mode: str):
    path = pets / "oxford-iiit-pet/images/Bengal_30.jpg"
    photo = Image.new("RGB", (10, 8), (200, 200, 200))
    photo = photo.quantize() if mode == "P" and kind != "JPEG" else photo.convert("RGB" if mode == "P" else mode)
    photo.save(path, kind)
    assert path.read_bytes()[:2] in (b"GI", b"BM", b"\x89P", b"\xff\xd8")
    sample = open_pets(pets, SIZE).test.read(2)
    assert sample["image"].shape == (3, 8, 10)
    assert sample["image"].unique().tolist() == [200]


@pytest.mark.parametrize(
    ("kind", "message"),
    [("GIF", "is cut short"), ("BMP", "is cut short"), ("EPS", r"is PostScript \(EPS\), which is not supported")],
)
def test_a_photo_that_is_not_whole_or_of_another_kind_is_named(pets: Path, kind: str, message: str):
    path = pets / "oxford-iiit-pet/images/Bengal_30.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)
    Image.fromarray(noise).save(path, kind)
    path.write_bytes(path.read_bytes()[: -2000 if kind != "EPS" else None])
    with pytest.raises(InputError, match=rf"Bengal_30\.jpg {message}"):
        open_pets(pets, SIZE).test.read(2)


def test_missing_files(pets: Path):
    folder = pets / "oxford-iiit-pet"
    missing = [folder / "images/Bengal_30.jpg", folder / "annotations/trimaps/Bengal_2.png"]
    for path in missing:
        path.unlink()
    data = open_pets(pets, SIZE)
    assert sorted(problem.partition(" is missing")[0] for problem in data.problems) == sorted(map(str, missing))
    assert [len(data.train), len(data.test)] == [5, 2]
    (folder / "annotations/test.txt").unlink()
    with pytest.raises(
        InputError, match=r"www\.robots\.ox\.ac\.uk/~vgg/data/pets \(annotations/test\.txt is not there"
    ):
        open_pets(pets, SIZE)


def test_a_folder_of_something_else(folders: Path):
    with pytest.raises(InputError, match="does not have the layout of 'pets', found depth_mm, label40, rgb, splits"):
        open_pets(folders, SIZE)
