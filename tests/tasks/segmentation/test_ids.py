"""Results written as masks are read back by their column as the classes that they are, however it is declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afanet.declared import declare
from afanet.errors import InputError
from afanet.tasks.segmentation.column import SegmentationColumn
from afanet.tasks.segmentation.result import LabelMap

NAMES = ("a", "b", "c")
LABELS = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3
KNOWN = np.arange(12).reshape(3, 4) % 4 > 0


def result(labels: np.ndarray = LABELS, classes: tuple[str, ...] = NAMES) -> LabelMap:
    colours = np.zeros((len(classes), 3), np.uint8)
    return LabelMap("parts", labels, np.ones(labels.shape, np.float32), classes, colours)


@pytest.mark.parametrize(
    ("declared", "has_void"),
    [
        ({"classes": NAMES}, True),
        ({"classes": NAMES, "void": None}, False),
        ({"classes": NAMES, "void": [-1, 0, 2]}, True),
        ({"ids": {"a": 0, "b": 255, "c": [7, 8]}}, False),
        ({"ids": {"0": "b", "255": "a", 9: "c"}}, False),
        ({"ids": {"a": 0, "b": 1, "c": 2}}, True),
        ({"ids": {"a": 0, "b": 700, "c": 65535}, "void": 3}, True),
        ({"colours": {"c": "#ff8000", "a": [[1, 2, 3], [4, 5, 6]], "b": [0, 0, 0]}}, False),
        ({"colours": {"a": [0, 0, 1], "b": [0, 1, 0], "c": [1, 0, 0]}, "void": [[9, 9, 9], [0, 0, 0]]}, True),
    ],
)
def test_a_mask_is_read_back_as_it_was(declared: dict[str, Any], has_void: bool, tmp_path: Path) -> None:
    column = declare(SegmentationColumn, declared, "it")
    numbers = np.array([column.classes.index(name) for name in NAMES])[LABELS]
    path = tmp_path / "mask.png"
    path.write_bytes(result().as_label(declared=declared).content)
    np.testing.assert_array_equal(column.read(path).numpy(), numbers)
    assert result().misfit("", path, declared) is None
    if has_void:
        path.write_bytes(result().as_label(KNOWN, declared).content)
        np.testing.assert_array_equal(column.read(path).numpy(), np.where(KNOWN, numbers, 255))
        assert result().misfit("", path, declared) is None
    else:
        with pytest.raises(InputError, match="declared without void, but has pixels that are not known"):
            result().as_label(KNOWN, declared)


@pytest.mark.parametrize("void", [{}, {"void": 300}])
def test_three_hundred_classes_are_written_in_sixteen_bits(void: dict[str, Any], tmp_path: Path) -> None:
    names = tuple(f"class {number}" for number in range(300))
    labels = np.arange(300, dtype=np.uint16).reshape(20, 15)
    known = labels % 7 > 0
    declared = {"classes": names, **void}
    path = tmp_path / "mask.png"
    path.write_bytes(result(labels, names).as_label(known, declared).content)
    read = declare(SegmentationColumn, declared, "it").read(path).numpy()
    np.testing.assert_array_equal(read, np.where(known, labels, 65535))


def test_what_no_mask_can_say_is_refused(tmp_path: Path) -> None:
    red = {"colours": {"a": [0, 0, 1], "b": [0, 1, 0], "c": [1, 0, 0]}}
    path = tmp_path / "mask.png"
    path.write_bytes(result().as_label(declared=red).content)
    other = {"colours": {"a": [0, 0, 9], "b": [0, 1, 0], "c": [1, 0, 0]}}
    assert str(result().misfit("", path, other)).startswith("it has the colour [0, 0, 1], and those of the teacher's")
