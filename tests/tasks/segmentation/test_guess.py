"""What is guessed of masks reads them back as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from afanet.declared import declare
from afanet.errors import InputError
from afanet.tasks.segmentation.column import SegmentationColumn
from afanet.tasks.segmentation.guess import LOOKED_AT


def guessed(files: list[Path]) -> tuple[SegmentationColumn, dict[str, Any], str]:
    declared, remark = SegmentationColumn.guess(files)
    return declare(SegmentationColumn, declared, "it"), declared, remark


def test_colours_are_classes_with_their_shares_said(tmp_path: Path) -> None:
    pixels = np.zeros((4, 5, 3), np.uint8)
    pixels[0] = [128, 64, 128]
    pixels[1, 0] = [1, 2, 3]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / "b.png")
    column, declared, remark = guessed([tmp_path / "a.png", tmp_path / "b.png"])
    assert declared == {"colours": {"class_0": [0, 0, 0], "class_1": [128, 64, 128], "class_2": [1, 2, 3]}}
    assert remark == (
        " with 3 colours, each taken to be a class and none to be void: [0, 0, 0] 85.0%, [128, 64, 128] 12.5%, "
        "[1, 2, 3] 2.5%"
    )
    assert column.read(tmp_path / "a.png").tolist()[:2] == [[1] * 5, [2, 0, 0, 0, 0]]


def test_pictures_are_no_masks_of_colours(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(
        InputError, match=r"a\.png and the masks before it have more than 256 colours, expected one for"
    ):
        SegmentationColumn.guess([tmp_path / "a.png"])
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"has only the colour \[0, 0, 0\], expected two at least"):
        SegmentationColumn.guess([tmp_path / "a.png"])
    np.save(tmp_path / "a.npy", np.arange(9000))
    np.save(tmp_path / "b.npy", np.arange(9000).reshape(90, 100))
    with pytest.raises(InputError, match=r"more than 5000 different ids, expected ids of classes: are they instances"):
        SegmentationColumn.guess([tmp_path / "b.npy"])
    with pytest.raises(InputError, match=r"a\.npy holds int64 \(9000,\), expected whole numbers"):
        SegmentationColumn.guess([tmp_path / "a.npy"])


@pytest.mark.parametrize(
    ("dtype", "ids", "declared"),
    [
        ("u2", [0, 1, 2, 65535], {"classes": ["class_0", "class_1", "class_2"], "void": 65535}),
        ("u2", [7001, 26000], {"ids": {7001: "class_7001", 26000: "class_26000"}, "void": None}),
        ("u2", [0, 1], {"classes": ["class_0", "class_1"], "void": 255}),
        ("i4", [-1, 0, 2], {"classes": ["class_0", "class_1", "class_2"], "void": -1}),
        ("i8", [-100, -1, 4, 5], {"ids": {4: "class_4", 5: "class_5"}, "void": [-1, -100]}),
        ("i2", [-7, 3], {"ids": {-7: "class_-7", 3: "class_3"}, "void": None}),
    ],
)
def test_ids_of_any_size_are_guessed(dtype: str, ids: list[int], declared: dict[str, Any], tmp_path: Path) -> None:
    values = np.array([ids], dtype)
    path = tmp_path / "ids.npy"
    np.save(path, values)
    column, guess, remark = guessed([path])
    assert guess == declared
    assert "with ids" in remark
    target = column.read(path)[0].tolist()
    voids = {-1, -100, 65535}
    said = [None if number in voids else f"class_{number}" for number in ids]
    assert [None if number == 255 else column.classes[number] for number in target] == said


def test_three_hundred_ids_are_three_hundred_classes(tmp_path: Path) -> None:
    path = tmp_path / "ids.png"
    Image.fromarray(np.arange(300, dtype=np.uint16).reshape(10, 30)).save(path)
    column, _, remark = guessed([path])
    assert remark == " with ids 0 to 299"
    assert column.read(path).flatten().tolist() == list(range(300))


def test_of_many_files_some_are_looked_at_and_the_line_says_so(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1]], np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.array([[2]], np.uint8)).save(tmp_path / "b.png")
    few = [tmp_path / "a.png"] * LOOKED_AT
    assert "files" not in SegmentationColumn.guess(few)[1]
    many = [*few, *few, tmp_path / "b.png"]
    assert SegmentationColumn.guess(many)[1] == f" with ids 0, 1, 2, in {LOOKED_AT} of the 1001 files, evenly spread"
