"""The meaning of masks in Pascal VOC's layout: VOC's own 21 classes, those of a label map, or others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from afanet.errors import InputError
from afanet.files import read_text
from afanet.tasks.segmentation.column import SegmentationColumn

VOID, VOID_COLOUR = 255, (224, 224, 192)
IGNORED = "ignored"
LABEL_MAP = "labelmap.txt"
NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
OWN_NAME = re.compile(r"(\d{4}_)?\d{6}")  # of images of Pascal VOC

RGB = tuple[int, int, int]


def colour_of(number: int) -> RGB:
    """The colour of a class in Pascal VOC: the bits of its number go in turn to red, green and blue, top bits first.

    >>> colour_of(0), colour_of(1), colour_of(15)
    ((0, 0, 0), (128, 0, 0), (192, 128, 128))
    """
    bits = [(number >> shift & 1) << 7 - shift // 3 for shift in range(24)]
    return sum(bits[0::3]), sum(bits[1::3]), sum(bits[2::3])


def declare_masks(files: Sequence[Path], base: Path) -> tuple[dict[str, Any], str]:
    """The declaration of a segmentation with masks below `base`, and a remark about it."""
    declared, remark = SegmentationColumn.guess(files)
    known, whose = _read_label_map(base / LABEL_MAP), f"named by {LABEL_MAP}"
    if not known and all(OWN_NAME.fullmatch(file.stem) for file in files):
        known = {name: colour_of(number) for number, name in enumerate(NAMES)} | {IGNORED: VOID_COLOUR}
        whose = "of Pascal VOC's 21 classes, since the images have names like VOC's"
    void = known.pop(IGNORED, None)
    if len(known) < 2:
        return declared, remark
    if "colours" in declared:
        colours = {tuple(colour) for colour in declared["colours"].values()}
        if colours <= {*known.values(), void}:
            coded = {name: list(colour) for name, colour in known.items()}
            return {"colours": coded} | ({"void": list(void)} if void else {}), f" {whose}"
    elif len(declared.get("classes", ())) in range(1, len(known) + 1) and declared.get("void") == VOID:
        return {"classes": list(known), "void": VOID}, f" {whose}"
    return declared, f"{remark}, which are not those {whose}"


def _read_label_map(file: Path) -> dict[str, RGB]:
    """The colours of the labels in lines such as `road:128,64,128::`, as CVAT writes them."""
    if not file.is_file():
        return {}
    colours: dict[str, RGB] = {}
    try:
        lines = [line.strip() for line in read_text(file).splitlines()]
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{file} cannot be read as UTF-8 text, expected one label per line") from None
    for line in lines:
        match = re.match(r"([^:#][^:]*):(\d{1,3}),(\d{1,3}),(\d{1,3})(:|$)", line)
        red, green, blue = map(int, match.group(2, 3, 4)) if match else (256, 256, 256)
        if match and max(red, green, blue) < 256:
            colours[match[1].strip()] = red, green, blue
        elif line and not line.startswith("#"):
            raise InputError(f"{file} has the line {line[:80]!r}, expected one such as 'road:128,64,128::'")
    return colours
