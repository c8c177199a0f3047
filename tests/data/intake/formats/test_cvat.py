"""CVAT's XML becomes masks with its colours, labels of images, and tasks by tags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.data.intake.formats import read_annotations
from afanet.errors import InputError

from .trees import HEIGHT, SQUARE, WIDTH, contents_of, masks_of, photos, rectangle, write

LABELS = (("road", "#804080", "any"), ("car", "#00008e", "polygon"), ("scene", "#ff0000", "tag"))
POINTS = ";".join(f"{x},{y}" for x, y in zip(SQUARE[::2], SQUARE[1::2], strict=True))


def cvat(images: str, labels: str | None = None, before: str = "") -> str:
    meta = "".join(
        f"<label><name>{name}</name><color>{colour}</color><type>{kind}</type><attributes>"
        f"{'<attribute><name>weather</name></attribute>' if kind == 'tag' else ''}</attributes></label>"
        for name, colour, kind in LABELS
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n{before}<annotations><version>1.1</version><meta><task>'
        f"<labels>{meta if labels is None else labels}</labels></task></meta>{images}</annotations>"
    )


def image(name: str, shapes: str, more: str = "", height: int = HEIGHT, width: int = WIDTH) -> str:
    return f'<image id="0" name="{name}" width="{width}" height="{height}" {more}>{shapes}</image>'


def refusal(file: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_annotations(file)
    return str(caught.value)


def polygon(label: str, points: str = POINTS, z_order: int = 0) -> str:
    return f'<polygon label="{label}" points="{points}" z_order="{z_order}" occluded="0"/>'


def test_polygons_become_masks_in_the_colours_of_the_labels(tmp_path: Path) -> None:
    photos(tmp_path, ["images/a.png"])
    write(tmp_path / "annotations.xml", cvat(image("a.png", polygon("car"))))
    contents = contents_of(tmp_path)
    assert contents.columns["segmentation"].declared["classes"] == ["background", "road", "car"]
    assert (masks_of(tmp_path)["images/a.png"] == rectangle(3, 4, 9, 14, 2)).all()
    assert contents.masks is not None
    with contents.masks.written(tmp_path):
        palette = Image.open(tmp_path / "segmentation/a.png").getpalette()
    assert palette is not None
    assert palette[:9] == [0, 0, 0, 0x80, 0x40, 0x80, 0, 0, 0x8E]


def test_masks_are_runs_by_row_over_their_box(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    part = rng.random((7, 9)) < 0.4
    lengths, value = [0], False
    for pixel in part.flatten():
        if pixel != value:
            lengths, value = [*lengths, 0], pixel
        lengths[-1] += 1
    rle = ", ".join(map(str, lengths))
    photos(tmp_path, ["a.png"])
    shape = f'<mask label="road" rle="{rle}" left="11" top="5" width="9" height="7" z_order="0"/>'
    write(tmp_path / "annotations.xml", cvat(image("a.png", shape)))
    expected = rectangle(0, 0, 0, 0)
    expected[5:12, 11:20] = part
    assert (masks_of(tmp_path)["a.png"] == expected).all()


def test_the_order_in_depth_decides_and_then_the_size(tmp_path: Path) -> None:
    photos(tmp_path, ["a.png", "b.png"])
    small = "5,4;9,4;9,7;5,7"
    shapes = (
        polygon("car", small, 0) + polygon("road", POINTS, 1),
        polygon("car", small, 2) + polygon("road", POINTS, 2),
    )
    write(tmp_path / "annotations.xml", cvat(image("a.png", shapes[0]) + image("b.png", shapes[1])))
    masks = masks_of(tmp_path)
    assert (masks["a.png"] == rectangle(3, 4, 9, 14)).all()
    assert (masks["b.png"] == rectangle(3, 4, 9, 14) + rectangle(4, 5, 7, 9)).all()


def test_subsets_are_splits_and_untouched_images_have_no_mask(tmp_path: Path) -> None:
    names = {"a.png": "Train", "b.png": "Validation", "c.png": "Test"}
    photos(tmp_path, [f"images/{split}/{name}" for name, split in names.items()])
    shapes = [image(name, polygon("car"), f'subset="{split}"') for name, split in names.items()]
    shapes.append(image("d.png", "", 'subset="Train"'))
    photos(tmp_path, ["images/Train/d.png"])
    write(tmp_path / "annotations.xml", cvat("".join(shapes)))
    contents = contents_of(tmp_path)
    assert contents.splits["images/Validation/b.png"] == "validation"
    assert "images/Train/d.png" in contents.images
    assert "images/Train/d.png" not in contents.columns["segmentation"].cells
    assert any(note.startswith("1 images without a shape get no label by shapes") for note in contents.notes)


def test_tags_and_their_attributes_become_tasks(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(8)]
    photos(tmp_path, names)
    tags = [
        image(name, f'<tag label="scene"><attribute name="weather">{["rain", "sun"][number % 2]}</attribute></tag>')
        for number, name in enumerate(names)
    ]
    write(tmp_path / "annotations.xml", cvat("".join(tags)))
    contents = contents_of(tmp_path)
    assert contents.columns["weather"].cells["3.png"] == "sun"
    assert contents.columns["weather"].declared == {"kind": "classification", "classes": ["rain", "sun"]}
    assert any(note.startswith("left out: attribute 'tag': ") for note in contents.notes)


def test_boxes_become_labels_and_lines_are_left_out(tmp_path: Path) -> None:
    photos(tmp_path, ["a.png"])
    shapes = '<box label="car" xtl="1" ytl="1" xbr="3" ybr="4"/><polyline label="road" points="1,1;2,2"/>'
    write(tmp_path / "annotations.xml", cvat(image("a.png", shapes)))
    contents = contents_of(tmp_path)
    assert contents.columns["contents"].cells == {"a.png": "car"}
    assert "1 shapes of the kind polyline are left out" in contents.notes


def test_an_image_with_a_box_of_a_drawn_class_gets_no_mask(tmp_path: Path) -> None:
    photos(tmp_path, ["a.png", "b.png"])
    box = '<box label="car" xtl="1" ytl="1" xbr="3" ybr="4"/>'
    write(tmp_path / "annotations.xml", cvat(image("a.png", polygon("car")) + image("b.png", polygon("road") + box)))
    assert set(masks_of(tmp_path)) == {"a.png"}


def test_all_faults_are_counted_in_one_sentence(tmp_path: Path) -> None:
    photos(tmp_path, ["a.png"])
    shapes = [
        polygon("car", "1,2;3"),
        polygon("car", "1,2;3,x;4,4"),
        polygon("car", "nan,2;3,4;4,4"),
        polygon("", POINTS),
        '<mask label="car" rle="1, 2" left="0" top="0" width="3" height="3"/>',
        '<mask label="car" rle="1, x" left="0" top="0" width="3" height="3"/>',
        f'<mask label="car" rle="1" left="0" top="0" width="{10**9}" height="{10**9}"/>',
    ]
    listed = image("a.png", "".join(shapes)) * 2 + image("../a.png", "") + image("a.png", "", height=10**8)
    said = refusal(write(tmp_path / "annotations.xml", cvat(listed)))
    for part in (
        "has 9 kinds of fault",
        "1 polygons with an odd count of numbers (such as one of 'car' in a.png)",
        "2 polygons with a coordinate that is not a number",
        "1 shapes without 'label' (such as a.png)",
        "1 run lengths that do not add up",
        "1 run lengths that are negative",
        "1 masks without a box, or larger than their image",
        "1 images that are listed twice",
        "1 names of images that lead out of the folder",
        "1 images whose 'height' or 'width'",
    ):
        assert part in said


BOMB = "<!DOCTYPE x [<!ENTITY a0 'ha'>" + "".join(f"<!ENTITY a{n + 1} '{f'&a{n};' * 10}'>" for n in range(9)) + "]>"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (cvat(image("&a9;", ""), before=BOMB), "amplification"),
        (
            cvat(image("a.png", "&e;"), before="<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"),
            "undefined entity",
        ),
        (cvat(image("a.png", "<a>" * 200 + "</a>" * 200)), "nested more than 64 deep"),
        (cvat(image("a.png", polygon("car")))[:-30], "is not complete XML"),
        (cvat(image("a.png", polygon("c\x01r"))), "is not complete XML"),
        (cvat("").replace("utf-8", "nothing"), "is not complete XML"),
        (cvat('<track id="0" label="car"/>'), "CVAT for video"),
        (f"<svg><annotations>{cvat('')[60:]}</annotations></svg>", "begins with <svg>"),
    ],
)
def test_other_xml_is_refused(tmp_path: Path, text: str, said: str) -> None:
    photos(tmp_path, ["a.png"])
    assert said in refusal(write(tmp_path / "annotations.xml", text))


def test_a_label_that_is_a_tag_alone_is_no_class_of_the_masks(tmp_path: Path) -> None:
    """Though its type is any, as in older exports, where it may be missing."""
    photos(tmp_path, ["a.png", "b.png"])
    labels = "".join(f"<label><name>{name}</name></label>" for name in ("car", "dusk", "lorry"))
    images = image("a.png", polygon("car") + '<tag label="dusk"/>') + image("b.png", '<tag label="car"/>')
    write(tmp_path / "annotations.xml", cvat(images, labels))
    assert contents_of(tmp_path).columns["segmentation"].declared["classes"] == ["background", "car", "lorry"]
