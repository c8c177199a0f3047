"""COCO files become masks, labels of images, and splits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as pycoco

from afanet.data.intake.formats import read_annotations
from afanet.errors import InputError

from .trees import HEIGHT, SQUARE, WIDTH, coco, contents_of, masks_of, photos, rectangle, write


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_annotations(path)
    return str(caught.value)


def write_coco(folder: Path, images: Any = ("a.png",), annotations: Any = (), categories: Any = ((1, "cat"),)) -> Path:
    photos(folder, images)
    return write(folder / "instances.json", coco(images, annotations, categories))


def test_ids_that_skip_become_classes_in_a_row(tmp_path: Path) -> None:
    annotations = [(0, 90, [SQUARE]), (0, 7, [[0, 0, 2, 0, 2, 2, 0, 2]])]
    write_coco(tmp_path, annotations=annotations, categories=((90, "dog"), (7, "cat"), (13, "cow")))
    assert contents_of(tmp_path).columns["segmentation"].declared == {
        "kind": "segmentation",
        "classes": ["background", "cat", "cow", "dog"],
        "void": 255,
    }
    assert (masks_of(tmp_path)["a.png"] == rectangle(3, 4, 9, 14, 3) + rectangle(0, 0, 2, 2, 1)).all()


def test_polygons_and_both_kinds_of_run_lengths_are_what_pycocotools_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ring = rng.uniform(0, 20, 14).tolist()
    blob = np.asfortranarray((rng.random((HEIGHT, WIDTH)) < 0.3).astype(np.uint8))
    flat = blob.flatten("F").astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat])))
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    shapes = {
        "ring.png": ([ring], pycoco.decode(pycoco.frPyObjects([ring], HEIGHT, WIDTH)[0])),
        "counts.png": ({"size": [HEIGHT, WIDTH], "counts": counts}, blob),
        "text.png": ({"size": [HEIGHT, WIDTH], "counts": pycoco.encode(blob)["counts"].decode()}, blob),
    }
    write_coco(tmp_path, list(shapes), [(number, 1, shape) for number, (shape, _) in enumerate(shapes.values())])
    masks = masks_of(tmp_path)
    for name, (_, expected) in shapes.items():
        assert (masks[name] == expected).all(), name


def test_small_shapes_lie_on_large_ones_and_all_on_crowds(tmp_path: Path) -> None:
    small, tiny = [[2, 2, 12, 2, 12, 12, 2, 12]], [[3, 3, 5, 3, 5, 5, 3, 5]]
    crowd = {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * 4, HEIGHT * (WIDTH - 4)]}
    annotations = [
        (0, 2, tiny),
        (0, 1, small),
        {"id": 9, "image_id": 0, "category_id": 3, "segmentation": crowd, "iscrowd": 1},
    ]
    write_coco(tmp_path, annotations=annotations, categories=((1, "a"), (2, "b"), (3, "c")))
    expected = rectangle(0, 0, HEIGHT, 4, 3)
    expected[2:12, 2:12] = 1
    expected[3:5, 3:5] = 2
    assert (masks_of(tmp_path)["a.png"] == expected).all()


def test_stuff_lies_below_things(tmp_path: Path) -> None:
    photos(tmp_path / "val2017", ["a.png"])
    write(tmp_path / "annotations/instances_val2017.json", coco(annotations=[(0, 1, [SQUARE])]))
    everywhere = {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * WIDTH]}
    write(
        tmp_path / "annotations/stuff_val2017.json",
        coco(annotations=[(0, 92, everywhere)], categories=((92, "banner"),)),
    )
    assert (masks_of(tmp_path)["val2017/a.png"] == np.where(rectangle(3, 4, 9, 14), 1, 2)).all()


def test_several_files_are_splits_and_keep_their_own_ids(tmp_path: Path) -> None:
    for split, image, number in (("train", "a.png", 1), ("val", "b.png", 5)):
        photos(tmp_path / f"{split}2017", [image])
        file = tmp_path / f"annotations/instances_{split}2017.json"
        write(file, coco([image], [(0, number, [SQUARE])], [(number, "cat")]))
    contents = contents_of(tmp_path)
    assert contents.splits == {"train2017/a.png": "train", "val2017/b.png": "validation"}
    assert all((mask == rectangle(3, 4, 9, 14)).all() for mask in masks_of(tmp_path).values())


def test_images_of_one_name_in_two_splits_are_told_apart(tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "pets", "supercategory": "none"},
        {"id": 1, "name": "cat", "supercategory": "pets"},
    ]
    for split, shape in (("train", SQUARE), ("valid", [0, 0, 5, 0, 5, 5, 0, 5])):
        photos(tmp_path / split, ["a.png"])
        file = write(tmp_path / split / "_annotations.coco.json", coco(annotations=[(0, 1, [shape])]))
        write(file, json.loads(file.read_text()) | {"categories": categories})
    masks = masks_of(tmp_path)
    assert (masks["train/a.png"] == rectangle(3, 4, 9, 14)).all()
    assert (masks["valid/a.png"] == rectangle(0, 0, 5, 5)).all()
    contents = contents_of(tmp_path)
    assert contents.columns["segmentation"].declared["classes"] == ["background", "cat"]
    assert any("groups of others are left out (such as pets)" in note for note in contents.notes)


def test_boxes_alone_become_labels_of_images(tmp_path: Path) -> None:
    boxes = [
        {"id": 1, "image_id": 0, "category_id": 2, "bbox": [1, 1, 4, 4], "segmentation": []},
        {"id": 2, "image_id": 0, "category_id": 1, "bbox": [1, 1, 4, 4]},
        {"id": 3, "image_id": 0, "category_id": 1, "bbox": [2, 1, 4, 4]},
    ]
    write_coco(tmp_path, ["a.png", "b.png"], boxes, ((1, "cat"), (2, "dog"), (3, "cow")))
    column = contents_of(tmp_path).columns["contents"]
    assert column.declared == {"kind": "multi_label", "labels": ["cat", "dog"]}
    assert column.cells == {"a.png": "cat;dog", "b.png": "-"}


def test_attributes_of_images_become_tasks(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(12)]
    file = write_coco(tmp_path, names, [(0, 1, [SQUARE])])
    value = json.loads(file.read_text())
    for number, image in enumerate(value["images"]):
        image |= {"weather": ["rain", "sun"][number % 2], "license": number % 2, "coco_url": "http://x/y.png"}
        image["attributes"] = {"Time of day": ["dawn", "noon", "night"][number % 3]}
    write(file, value)
    columns = contents_of(tmp_path).columns
    assert set(columns) == {"segmentation", "weather", "Time_of_day"}
    assert columns["weather"].declared["classes"] == ["rain", "sun"]
    assert columns["weather"].cells["3.png"] == "sun"


def test_more_than_255_classes_are_written_in_16_bits(tmp_path: Path) -> None:
    categories = [(number, f"c{number}") for number in range(1, 301)]
    write_coco(tmp_path, annotations=[(0, 300, [SQUARE])], categories=categories)
    mask = masks_of(tmp_path)["a.png"]
    assert mask.dtype == np.uint16
    assert (mask == rectangle(3, 4, 9, 14).astype(np.uint16) * 300).all()


def test_all_faults_of_a_file_are_counted_in_one_sentence(tmp_path: Path) -> None:
    annotations = [
        (5, 1, [SQUARE]),
        (6, 1, [SQUARE]),
        (0, 8, [SQUARE]),
        {"id": 3, "category_id": 1},
        (0, 1, {"size": [WIDTH, HEIGHT], "counts": [1]}),
        (0, 1, {"size": [HEIGHT, WIDTH], "counts": [1, 2]}),
        (0, 1, [[1, 2, 3, 4, 5]]),
        (0, 1, [[1, 2, 3, 4, "x", 5]]),
        (0, 1, [[1e300, 2, 3, 4, 3, 5]]),
        (0, 1, "polygon"),
        7,
    ]
    file = write_coco(
        tmp_path, ["a.png"], [one for one in annotations if one != 7], ((1, "cat"), (1, "dog"), (2, "cat"))
    )
    value = json.loads(file.read_text())
    value["annotations"].append(7)
    value["images"] += [{"id": 0, "file_name": "a.png"}, {"id": 44}, {"id": 45, "file_name": "../a.png"}]
    said = refusal(write(file, value))
    assert said.startswith(f"{file} has 15 kinds of fault: ")
    for part in (
        "2 annotations name images that are not listed (such as 5)",
        "1 annotations name categories that are not listed (such as 8)",
        "1 annotations without 'image_id' or 'category_id' (such as 3)",
        "1 masks in run lengths of another size than their image",
        "1 run lengths that do not add up",
        "1 polygons with an odd count",
        "2 polygons with a coordinate that is not a number",
        "1 categories whose id occurs twice",
        "1 categories whose name occurs twice",
        "1 images that are listed twice",
        "1 images without 'id' or 'file_name'",
        "lead out of the folder (such as ../a.png)",
        "1 entries of 'annotations' that are not objects (such as 7)",
    ):
        assert part in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "instances.json"]


def test_what_is_harmless_is_counted_in_a_line(tmp_path: Path) -> None:
    far, line = [-9, -9, 50, -9, 50, 50, -9, 50], [1, 1, 5, 5]
    annotations = [(0, 1, [far]), (0, 1, [line, SQUARE]), (1, 1, [SQUARE]), (2, 1, [SQUARE])]
    file = write_coco(tmp_path, ["a.png", "b.png", "absent.png", "d.png"], annotations)
    (tmp_path / "absent.png").unlink()
    photos(tmp_path, ["b.png"], (5, 5))
    notes = "\n".join(contents_of(file).notes)
    for part in (
        "1 polygons reach outside of their images",
        "1 polygons of fewer than three points",
        "1 images that are listed and are not there are left out (such as absent.png)",
        "1 images get no mask, since their size is not the stated one (such as b.png, 5x5 and not 20x30)",
        "1 images without a shape are background all over",
    ):
        assert part in notes
    masks = masks_of(tmp_path)
    assert set(masks) == {"a.png", "d.png"}
    assert masks["a.png"].all()


def test_other_kinds_of_files_are_left_out_or_refused(tmp_path: Path) -> None:
    photos(tmp_path, ["a.png"])
    panoptic = {"image_id": 0, "file_name": "a.png", "segments_info": []}
    for name, annotation in (
        ("panoptic_val2017.json", panoptic),
        ("captions_val2017.json", {"image_id": 0, "id": 1, "caption": "A cat."}),
    ):
        write(tmp_path / name, coco(annotations=[annotation]))
        assert "are not supported, expected instances" in refusal(tmp_path / name)
    write(tmp_path / "instances_val2017.json", coco(annotations=[(0, 1, [SQUARE])]))
    assert any(note.startswith("2 files of another kind") for note in contents_of(tmp_path).notes)


def test_a_file_of_images_that_are_elsewhere_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "instances.json", coco(annotations=[(0, 1, [SQUARE])]))
    assert "1 images that are listed and are not there are left out (such as a.png)" in refusal(file)


def test_label_files_of_before_are_never_overwritten(tmp_path: Path) -> None:
    write_coco(tmp_path, annotations=[(0, 1, [SQUARE])])
    (tmp_path / "segmentation").mkdir()
    assert "is never overwritten" in refusal(tmp_path)


def test_nothing_is_left_of_masks_if_what_follows_fails(tmp_path: Path) -> None:
    write_coco(tmp_path, annotations=[(0, 1, [SQUARE])])
    masks = contents_of(tmp_path).masks
    assert masks is not None

    def fail() -> None:
        with masks.written(tmp_path):
            assert (tmp_path / "segmentation/a.png").is_file()
            raise InputError("later")

    with pytest.raises(InputError, match="later"):
        fail()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "instances.json"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"images": [{"id": 1, "file_name": "a', "is cut short"),
        (b'{"images": [{"id": NaN}]}', "not finite or too large"),
        (b'{"images": [{"id": 1e999}]}', "not finite or too large"),
        (b'{"images": [{"id": ' + b"9" * 5000 + b"}]}", "not finite or too large"),
        (b'{"images": [{"id": "\xff"}]}', "not UTF-8 text"),
        ('{"images": []}'.encode("utf-16"), "is UTF-16 text"),
        (b'{"images": [' + b"[" * 10**5, "nested more than 64 deep"),
        (b'{"images": [{"a": "[[[[[\\"]]]]"}' + b', {"a": ' * 100, "nested more than 64 deep"),
        (b'{"images": [1, 2,,]}', "is not JSON"),
    ],
)
def test_a_file_that_is_no_whole_json_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "instances.json"
    file.write_bytes(content)
    assert said in refusal(file)


def test_brackets_in_text_are_no_nesting_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    photos(tmp_path, ["a.png"])
    value = coco(annotations=[(0, 1, [SQUARE])]) | {"remark": "[" * 10**5 + '"\\' + "{" * 10**5}
    (tmp_path / "instances.json").write_text(json.dumps(value), encoding="utf-8-sig")
    assert (masks_of(tmp_path)["a.png"] == rectangle(3, 4, 9, 14)).all()
