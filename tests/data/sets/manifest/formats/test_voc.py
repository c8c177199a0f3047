"""Pascal VOC's masks are used as they are, its objects become labels, its lists splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.data.sets.manifest.formats import read_annotations
from afanet.errors import InputError

from .trees import contents_of, photos, rectangle, write


def mask(file: Path, value: int = 15) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.where(rectangle(0, 0, 2, 30), 255, rectangle(3, 4, 9, 14, value)).astype(np.uint8))
    picture.putpalette(bytes(range(256)) * 3)
    picture.save(file)


def objects(*names: str) -> str:
    parts = "<part><name>head</name></part>"
    return f"<annotation>{''.join(f'<object><name>{name}</name>{parts}</object>' for name in names)}</annotation>"


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    root = tmp_path / "VOCdevkit/VOC2012"
    photos(root, [f"JPEGImages/{name}.jpg" for name in "abcde"])
    for name in "ab":
        mask(root / f"SegmentationClass/{name}.png")
    write(root / "ImageSets/Segmentation/train.txt", "a\n")
    write(root / "ImageSets/Segmentation/val.txt", "b\n")
    write(root / "ImageSets/Segmentation/trainval.txt", "a\nb\n")
    write(root / "ImageSets/Main/train.txt", "b\nc\n")
    write(root / "ImageSets/Main/val.txt", "d\nz\n")
    write(root / "ImageSets/Main/dog_train.txt", "b  1\nc -1\n")
    for name, things in {"a": ["person"], "c": ["dog", "person", "dog"], "d": [], "y": ["cat"]}.items():
        write(root / f"Annotations/{name}.xml", objects(*things))
    return tmp_path


def test_masks_objects_and_lists(voc: Path) -> None:
    contents = contents_of(voc)
    base = "VOCdevkit/VOC2012"
    segmentation, things = contents.columns["segmentation"], contents.columns["contents"]
    assert len(segmentation.declared["classes"]) == 21
    assert segmentation.declared["classes"][15] == "person"
    assert segmentation.declared["void"] == 255
    assert segmentation.cells[f"{base}/JPEGImages/a.jpg"] == f"{base}/SegmentationClass/a.png"
    assert things.cells == {
        f"{base}/JPEGImages/a.jpg": "person",
        f"{base}/JPEGImages/c.jpg": "dog;person",
        f"{base}/JPEGImages/d.jpg": "-",
    }
    assert len(things.declared["labels"]) == 20
    assert {path[-5]: split for path, split in contents.splits.items()} == {
        "a": "train",
        "b": "validation",
        "c": "train",
        "d": "validation",
    }
    assert contents.outside == [f"{base}/JPEGImages/e.jpg"]
    assert contents.masks is None
    notes = "\n".join(contents.notes)
    assert "1 entries of lists of splits name no image (such as z)" in notes
    assert "1 images are in different splits for segmentation and objects" in notes
    assert "1 files of objects without an image are left out (such as y.xml)" in notes


def test_an_image_in_two_lists_is_for_training_alone(voc: Path) -> None:
    write(voc / "VOCdevkit/VOC2012/ImageSets/Segmentation/test.txt", "a\n")
    contents = contents_of(voc)
    assert contents.splits["VOCdevkit/VOC2012/JPEGImages/a.jpg"] == "train"
    assert any(note.startswith("1 images are in two lists of splits") for note in contents.notes)


def test_other_ids_than_those_of_21_classes_are_counted(voc: Path) -> None:
    mask(voc / "VOCdevkit/VOC2012/SegmentationClass/b.png", 33)
    assert len(contents_of(voc).columns["segmentation"].declared["classes"]) == 34


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("Annotations/a.xml", "<annotation><object>", "is no whole XML"),
        ("Annotations/a.xml", objects(""), "has an object with the name ''"),
        ("Annotations/a.xml", "<html/>", "expected <annotation>"),
        ("SegmentationClass/a.png", "no picture", "a.png"),
    ],
)
def test_broken_files_are_refused(voc: Path, file: str, text: str, said: str) -> None:
    write(voc / "VOCdevkit/VOC2012" / file, text)
    with pytest.raises(InputError, match=said):
        read_annotations(voc)
