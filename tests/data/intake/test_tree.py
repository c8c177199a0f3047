"""Folders of images that a user has split: the usual trees, each with the user's own split."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from afanet.cli import main
from afanet.data.intake.init import init_manifest
from afanet.data.intake.tree import meaning_of, role_names
from afanet.errors import InputError

MASKS = ("mask", "gtfine", "label")
CITIES = (("train", "aachen"), ("train", "ulm"), ("val", "bonn"))


def write(root: Path, paths: list[str]) -> Path:
    """A mask of two classes at each path that names one, else a photo; three files for each `#` in it."""
    for path in (root / path.replace("#", str(number)) for path in paths for number in range(3)):
        path.parent.mkdir(parents=True, exist_ok=True)
        is_mask = any(word in str(path.relative_to(root)).lower() for word in MASKS)
        pixels = np.eye(32, dtype=np.uint8) if is_mask else np.zeros((32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return root


def read(root: Path) -> list[dict[str, str]]:
    with (root / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


TREES = {
    "a split below each kind": ["images/train/#.png", "images/val/#.png", "masks/train/#.png", "masks/val/#.png"],
    "each kind below a split": ["train/images/#.png", "train/masks/#.png", "val/images/#.png", "val/masks/#.png"],
    "capitals and other words": [
        "Training/Images/#.png", "Training/Masks/#.png", "Testing/Images/#.png", "Testing/Masks/#.png",
    ],
    "one word of both": ["train_images/#.png", "train_masks/#.png", "valid-images/#.png", "valid-masks/#.png"],
    "years": ["rgb/train2017/#.png", "labels/train2017/#.png", "rgb/val2017/#.png", "labels/val2017/#.png"],
    "cities": [f"data/leftImg8bit/{s}/{c}/#.png" for s, c in CITIES] + [f"data/masks/{s}/{c}/#.png" for s, c in CITIES],
    "endings": [f"leftImg8bit/{s}/{c}/#_leftImg8bit.png" for s, c in CITIES]
    + [f"gtFine/{s}/{c}/#_gtFine_labelIds.png" for s, c in CITIES],
    "masks in one folder": ["images/train/a#.png", "images/val/b#.png", "masks/a#.png", "masks/b#.png"],
    "images in one folder": ["images/a#.png", "images/b#.png", "masks/train/a#_mask.png", "masks/test/b#_mask.png"],
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_masks_are_found_and_the_split_is_kept(name: str, tmp_path: Path) -> None:
    printed = init_manifest(write(tmp_path, TREES[name]))
    rows = read(tmp_path)
    assert set(rows[0]) == {"image", "split", "segmentation"}
    assert len(rows) == sum(1 for path in tmp_path.rglob("*.png")) // 2
    for row in rows:
        image, mask = Path(row["image"]), Path(row["segmentation"])
        assert mask.stem.partition("_")[0] == image.stem.partition("_")[0]
        folders = "/".join([*image.parts[:-1], *mask.parts[:-1]]).lower()
        assert row["split"] == ("train" if "train" in folders else "test")
        others = [{part for part in path.parts if part in dict(CITIES).values()} for path in (image, mask)]
        assert others[0] == others[1]
    tested = (
        "" if "test" in name or "capitals" in name or "images in" in name else ", with the validation split to test"
    )
    assert f"split as the folders are{tested}" in printed


@pytest.mark.parametrize("tree", ["{split}/{name}/#.png", "{name}/{split}/#.png", "pets/{split}/all/{name}/#.png"])
def test_classes_below_or_above_splits(tree: str, tmp_path: Path) -> None:
    paths = [tree.format(split=split, name=name) for split in ("Train", "valid", "TEST") for name in ("cat", "dog")]
    printed = init_manifest(write(tmp_path, paths))
    assert "label: folders cat 9, dog 9" in printed
    assert "split as the folders are: 6 train, 6 validation, 6 test" in printed
    declared = yaml.safe_load((tmp_path / "recipe.yaml").read_text())["data"]["options"]["tasks"]
    assert declared == {"label": {"kind": "classification", "classes": ["cat", "dog"]}}
    for row in read(tmp_path):
        assert row["label"] in Path(row["image"]).parts
        named = {"Train": "train", "valid": "validation", "TEST": "test"}
        [split] = [named[part] for part in Path(row["image"]).parts if part in named]
        assert row["split"] == split


def test_classes_with_masks_are_two_tasks(tmp_path: Path) -> None:
    kinds = ("images", "masks")
    init_manifest(
        write(
            tmp_path, [f"{split}/{kind}/{name}/#.png" for split in ("train", "test") for kind in kinds for name in "ab"]
        )
    )
    rows = read(tmp_path)
    assert all(row["label"] in Path(row["image"]).parts and row["segmentation"] for row in rows)


@pytest.mark.parametrize("test", ["test/unknown/#.png", "test/#.png", "test/images/#.png"])
def test_a_test_split_without_labels_scores_nothing(test: str, tmp_path: Path) -> None:
    both = write(tmp_path / "both", [f"{split}/{name}/#.png" for split in ("train", "val") for name in "ab"] + [test])
    assert "with the validation split to test on, since no test split has labels: 6 train, 0" in init_manifest(both)
    train = write(tmp_path / "train", [f"train/{name}/#.png" for name in "ab"] + [test])
    printed = init_manifest(train)
    assert (
        "split by a hash of the names, since no other split than train has labels: 4 train, 1 validation, 1" in printed
    )
    assert "without any label: 3 images, such as test/" in printed
    splits = Counter((row["split"], bool(row["label"])) for row in read(train))
    assert splits == {("train", True): 4, ("validation", True): 1, ("test", True): 1, ("test", False): 3}


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["train/val/cat/#.png"], "0.png is in folders of two splits, train and validation: move it into one"),
        (["images/train/#.png", "images/val/#.png", "masks/#.png"], "masks/0.png can belong to "),
        (
            ["train/images/#.png", "train/masks/#.png", "train/masks/#_mask.png"],
            "can both belong to ",
        ),
        (
            ["train/cat/#.png", "train/dog/#.png", "val/cat/#.png", "val/cow/#.png"],
            "the validation split has the folder 'cow', which the training split lacks, expected the same classes",
        ),
        (["val/images/#.png", "val/masks/#.png"], "none with labels to train on, expected one called train"),
        (["cat/#.png", "test/#.png"], "has 3 images in folders of splits (3 in none, such as cat/0.png) and nothing"),
        (
            ["train/images/#.png", "train/masks/#.jpg"],
            "0.jpg is not a label file for segmentation, expected .png or ",
        ),
        (["images/#.png", "masks/#.jpg"], "0.jpg is not a label file for segmentation, expected .png or "),
    ],
)
def test_one_sentence_for_a_tree_that_cannot_be_read(paths: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        init_manifest(write(tmp_path, paths))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.*"))


def test_what_is_outside_of_all_splits_is_counted(tmp_path: Path) -> None:
    printed = init_manifest(write(tmp_path, [*TREES["a split below each kind"], "images/extra#.png"]))
    assert "left out: 3 images in no folder of a split, such as images/extra0.png" in printed
    assert len(read(tmp_path)) == 6


def test_folders_in_capitals_without_splits(tmp_path: Path) -> None:
    init_manifest(write(tmp_path, ["Images/a#.png", "Images/b#.png", "Masks/a#.png", "Masks/b#.png"]))
    assert all(row["segmentation"].startswith("Masks/") for row in read(tmp_path))


@pytest.mark.parametrize(
    "name", ["train station", "trainer", "attest", "value", "contest", "test_resnet", "training-a1b"]
)
def test_a_name_with_another_word_is_no_split(name: str) -> None:
    assert meaning_of(name, role_names({})) == (None, None)


def test_a_tree_is_checked_and_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: None) -> None:
    rng = np.random.default_rng(0)
    root = write(tmp_path / "data", TREES["each kind below a split"])
    for path in root.glob("*/images/*.png"):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    monkeypatch.chdir(tmp_path)
    assert main(["data", "init", "data"]) == 0
    assert main(["data", "check", "data"]) == 0
    flags = ["--backbone", "test_resnet", "--steps", "1", "--workers", "0", "--device", "cpu"]
    assert main(["train", "data/recipe.yaml", "--out", "run", *flags]) == 0
