"""YOLO's text files become masks, or labels of images where they have boxes alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from afanet.data.intake.formats import read_annotations
from afanet.errors import InputError

from .trees import HEIGHT, SQUARE, WIDTH, contents_of, masks_of, photos, rectangle, write

SHARES = " ".join(f"{x / WIDTH:.12f} {y / HEIGHT:.12f}" for x, y in zip(SQUARE[::2], SQUARE[1::2], strict=True))
NAMES = "names: [cat, dog]\n"


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    for split, label in (("train", 0), ("val", 1)):
        photos(tmp_path, [f"images/{split}/{split}.png"])
        write(tmp_path / f"labels/{split}/{split}.txt", f"{label} {SHARES}\n\n")
    write(tmp_path / "data.yaml", f"path: ../datasets/pets\ntrain: images/train\nval: images/val\n{NAMES}")
    return tmp_path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_annotations(path)
    return str(caught.value)


def test_polygons_become_masks_in_their_splits(yolo: Path) -> None:
    contents = contents_of(yolo)
    assert contents.splits == {"images/train/train.png": "train", "images/val/val.png": "validation"}
    assert contents.columns["segmentation"].declared["classes"] == ["background", "cat", "dog"]
    masks = masks_of(yolo)
    assert (masks["images/train/train.png"] == rectangle(3, 4, 9, 14, 1)).all()
    assert (masks["images/val/val.png"] == rectangle(3, 4, 9, 14, 2)).all()


def test_an_image_in_two_splits_counts_in_the_first(yolo: Path) -> None:
    """Small public sets train and validate on the same folder."""
    write(yolo / "data.yaml", f"train: [images/train, images/val]\nval: images/val\n{NAMES}")
    contents = contents_of(yolo)
    assert set(contents.splits.values()) == {"train"}
    note = "1 images are in several splits: the first of train, val and test counts (such as images/val/val.png)"
    assert note in "\n".join(contents.notes)


def test_names_by_number_lists_of_images_and_folders_of_splits_first(tmp_path: Path) -> None:
    photos(tmp_path, ["train/images/a.png", "train/images/b.png", "valid/images/c.png"])
    for name in ("train/labels/a", "valid/labels/c"):
        write(tmp_path / f"{name}.txt", f"1 {SHARES}")
    write(tmp_path / "valid.txt", "./valid/images/c.png\nelsewhere/absent.png\n")
    photos(tmp_path, ["valid/images/d.png"])
    paths = "train: ../train/images\nval: [valid.txt, data/valid/images/d.png]\ntest: ../test/images\n"
    write(tmp_path / "data.yaml", f"{paths}nc: 2\nnames:\n  1: dog\n  0: cat\n")
    contents = contents_of(tmp_path)
    assert contents.splits["valid/images/c.png"] == contents.splits["valid/images/d.png"] == "validation"
    assert (masks_of(tmp_path)["train/images/a.png"] == rectangle(3, 4, 9, 14, 2)).all()
    notes = "\n".join(contents.notes)
    for part in (
        "2 images without a file of labels get none",
        "2 paths of splits where nothing is are left out (such as val: elsewhere/absent.png)",
    ):
        assert part in notes
    assert "train/images/b.png" not in contents.columns["segmentation"].cells


@pytest.mark.parametrize("start", ["../", "/content/pets/", "\\\\", "C:\\\\pets\\\\", "./"])
def test_paths_of_other_machines_mean_those_below_the_folder(yolo: Path, start: str) -> None:
    write(yolo / "data.yaml", f"train: {start}images/train\nval: {start}images/val\n{NAMES}".replace("\\\\", "\\"))
    assert set(contents_of(yolo).splits.values()) == {"train", "validation"}


def test_an_empty_file_means_background_and_what_is_outside_is_cut_off(yolo: Path) -> None:
    write(yolo / "labels/val/val.txt", "")
    write(yolo / "labels/train/train.txt", "0 -0.5 -0.5 1.5 -0.5 1.5 1.5 -0.5 1.5")
    masks = masks_of(yolo)
    assert masks["images/train/train.png"].all()
    assert not masks["images/val/val.png"].any()
    assert any("1 polygons reach outside" in note for note in contents_of(yolo).notes)


def test_boxes_become_labels_of_images(yolo: Path) -> None:
    write(yolo / "labels/train/train.txt", "1 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1 0.1\n1 0.2 0.5 0.1 0.1\n")
    write(yolo / "labels/val/val.txt", "")
    cells = contents_of(yolo).columns["contents"].cells
    assert cells == {"images/train/train.png": "cat;dog", "images/val/val.png": "-"}


def test_all_faults_are_counted_in_one_sentence(yolo: Path) -> None:
    lines = [
        "2 " + SHARES,
        "x 1 2 3 4",
        "0 0.1",
        "0 0.1 0.2 0.3 0.4 0.5",
        "0 1 2 nan 4 5 6",
        "0 100 200 300 400 500 600",
        "1e3",
    ]
    write(yolo / "labels/train/train.txt", "\n".join(lines))
    (yolo / "labels/val/val.txt").write_bytes(b"\xff\xfe\x00")
    said = refusal(yolo)
    for part in (
        "has 5 kinds of fault",
        "3 lines with a class that 'names' lacks (such as labels/train/train.txt, line 1)",
        "2 polygons with an odd count of numbers",
        "1 polygons with a coordinate that is not a number",
        "1 polygons in pixels",
        "1 files of labels that are not UTF-8 text (such as val.txt)",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"train: /etc\n{NAMES}", "nothing to learn"),
        (f"train: images/../../x\nval: images/val\n{NAMES}", "leads out of its folder"),
        (f"train: 7\nval: images/val\n{NAMES}", "expected a path"),
        ("train: images/train\nnames: {0: cat, 2: dog}\n", "expected 0, 1, 2"),
        ("train: images/train\nnames: [cat, cat]\n", "twice in 'names'"),
        ("train: images/train\nnames: 7\n", "expected a list of names"),
        (f"train: images/train\nkpt_shape: [3, 3]\n{NAMES}", "key points"),
        (f"train: [images/train\n{NAMES}", "is not valid YAML"),
        (f"train: data.yaml\n{NAMES}", "expected a folder of images"),
        (f"train: absent\n{NAMES}", "nothing to learn"),
    ],
)
def test_other_descriptions_are_refused(yolo: Path, text: str, said: str) -> None:
    write(yolo / "data.yaml", text)
    assert said in refusal(yolo)
