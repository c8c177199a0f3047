"""Pascal VOC's masks are used as they are, its objects become labels, its lists splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.data.intake.formats import read_annotations
from afanet.errors import InputError

from .trees import contents_of, photos, rectangle, write

NAMES = [f"2007_00000{letter}" for letter in "12345"]
A, B, C, D, E = NAMES


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
    photos(root, [f"JPEGImages/{name}.jpg" for name in NAMES])
    for name in (A, B):
        mask(root / f"SegmentationClass/{name}.png")
    write(root / "ImageSets/Segmentation/train.txt", f"{A}\n")
    write(root / "ImageSets/Segmentation/val.txt", f"{B}\n")
    write(root / "ImageSets/Segmentation/trainval.txt", f"{A}\n{B}\n")
    write(root / "ImageSets/Main/train.txt", f"# a remark\n{B}\n{C}\n")
    write(root / "ImageSets/Main/val.txt", f"{D}\nz\n")
    write(root / "ImageSets/Main/dog_train.txt", f"{B}  1\n{C} -1\n")
    for name, things in {A: ["person"], C: ["dog", "person", "dog"], D: [], "y": ["cat"]}.items():
        write(root / f"Annotations/{name}.xml", objects(*things))
    return tmp_path


def test_masks_objects_and_lists(voc: Path) -> None:
    contents = contents_of(voc)
    base = "VOCdevkit/VOC2012"
    segmentation, things = contents.columns["segmentation"], contents.columns["contents"]
    assert len(segmentation.declared["classes"]) == 21
    assert segmentation.declared["classes"][15] == "person"
    assert segmentation.declared["void"] == 255
    assert segmentation.cells[f"{base}/JPEGImages/{A}.jpg"] == f"{base}/SegmentationClass/{A}.png"
    assert things.cells == {
        f"{base}/JPEGImages/{A}.jpg": "person",
        f"{base}/JPEGImages/{C}.jpg": "dog;person",
        f"{base}/JPEGImages/{D}.jpg": "-",
    }
    assert len(things.declared["labels"]) == 20
    assert {path[-15:-4]: split for path, split in contents.splits.items()} == {
        A: "train",
        B: "validation",
        C: "train",
        D: "validation",
    }
    assert contents.outside == [f"{base}/JPEGImages/{E}.jpg"]
    assert contents.masks is None
    notes = "\n".join(contents.notes)
    assert "1 entries of lists of splits name no image (such as z)" in notes
    assert "1 images are in different splits for segmentation and objects" in notes
    assert "1 files of objects without an image are left out (such as y.xml)" in notes


def test_an_image_in_two_lists_is_for_training_alone(voc: Path) -> None:
    write(voc / "VOCdevkit/VOC2012/ImageSets/Segmentation/test.txt", f"{A}\n")
    contents = contents_of(voc)
    assert contents.splits[f"VOCdevkit/VOC2012/JPEGImages/{A}.jpg"] == "train"
    assert any(note.startswith("1 images are in two lists of splits") for note in contents.notes)


def test_other_ids_than_those_of_21_classes_are_counted(voc: Path) -> None:
    mask(voc / "VOCdevkit/VOC2012/SegmentationClass" / f"{B}.png", 33)
    assert len(contents_of(voc).columns["segmentation"].declared["classes"]) == 34


def test_colours_are_named_by_pascal_voc_or_a_label_map(voc: Path) -> None:
    root = voc / "VOCdevkit/VOC2012"
    for name in (A, B):
        ids = np.where(rectangle(3, 4, 9, 14) > 0, 15, 0)
        colours = np.where((ids == 15)[..., None], (192, 128, 128), (0, 0, 0)).astype(np.uint8)
        colours[0] = (224, 224, 192)
        Image.fromarray(colours).save(root / f"SegmentationClass/{name}.png")
    declared = contents_of(voc).columns["segmentation"].declared
    assert len(declared["colours"]) == 21
    assert declared["colours"]["person"] == [192, 128, 128]
    assert declared["void"] == [224, 224, 192]
    text = "# label:color_rgb:parts:actions\nnothing:0,0,0::\nman:192,128,128::\nedge:224,224,192::\n"
    write(root / "labelmap.txt", text)
    declared = contents_of(voc).columns["segmentation"].declared
    assert declared == {
        "kind": "segmentation",
        "colours": {"nothing": [0, 0, 0], "man": [192, 128, 128], "edge": [224, 224, 192]},
    }


def test_classes_of_other_images_are_not_taken_for_those_of_pascal_voc(tmp_path: Path) -> None:
    photos(tmp_path, ["JPEGImages/a.jpg"])
    mask(tmp_path / "SegmentationClass/a.png", 2)
    assert contents_of(tmp_path).columns["segmentation"].declared["classes"] == ["class_0", "class_1", "class_2"]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (f"Annotations/{A}.xml", "<annotation><object>", "is not complete XML"),
        (f"Annotations/{A}.xml", objects(""), "has an object with the name ''"),
        (f"Annotations/{A}.xml", "<html/>", "expected <annotation>"),
        ("labelmap.txt", "road 1 2 3", "expected one such as"),
        (f"SegmentationClass/{A}.png", "no picture", f"{A}.png"),
    ],
)
def test_broken_files_are_refused(voc: Path, file: str, text: str, said: str) -> None:
    write(voc / "VOCdevkit/VOC2012" / file, text)
    with pytest.raises(InputError, match=said):
        read_annotations(voc)
