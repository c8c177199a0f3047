"""Guesses what masks mean from a sample of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from afanet.errors import InputError
from afanet.label_files import unpacked
from afanet.tasks.segmentation.mask import count, read_ids, read_mask, shows_colours
from afanet.tasks.segmentation.values import listed

LOOKED_AT = 500  # files, evenly spread
MOST_SHADES = 16  # of grey in a drawn mask
MOST_COLOURS = 256
MOST_IDS = 5000
SHOWN = 12  # colours in a line
VOID = 255
USUAL_VOIDS = (-1, -100, 65535)  # in masks with ids beyond a byte


def guess(files: Sequence[Path]) -> tuple[dict[str, Any], str]:
    """The declaration of a segmentation with labels in `files`, and a remark on their contents.

    Of many files only an evenly spread sample is read, and the remark says so. Raises `InputError` for too few values,
    and for too many to be classes.
    """
    spread = np.linspace(0, len(files) - 1, min(len(files), LOOKED_AT)).astype(int)
    some = [files[number] for number in spread]
    coloured = shows_colours(some[0])
    pixels: Counter[int] = Counter()
    for file in some:
        pixels += count(read_mask(file).keys if coloured else read_ids(file))
        _require_classes(file, pixels, coloured)
    declared, remark = _of_colours(pixels, files[0].parent) if coloured else _of_ids(pixels, files[0].parent)
    looked = f", in {len(some)} of the {len(files)} files, evenly spread" if len(some) < len(files) else ""
    return declared, remark + looked


def _require_classes(file: Path, pixels: Counter[int], coloured: bool) -> None:
    if coloured and len(pixels) > MOST_COLOURS:
        raise InputError(
            f"{file} and the masks before it have more than {MOST_COLOURS} colours, expected one for each class: save "
            "masks that were neither resized nor compressed"
        )
    if len(pixels) > MOST_IDS:
        raise InputError(
            f"{file} and the masks before it have more than {MOST_IDS} different ids, expected ids of classes: are "
            "they instances, or distances?"
        )


def _of_colours(pixels: Counter[int], folder: Path) -> tuple[dict[str, Any], str]:
    """A class for each colour, the most frequent first."""
    if len(pixels) < 2:
        raise InputError(
            f"{folder} has only the colour {listed(list(pixels), True)}, expected two at least: give each class one"
        )
    by_share = pixels.most_common()
    shares = [f"{unpacked(key)} {number / pixels.total():.1%}" for key, number in by_share[:SHOWN]]
    more = f" and {len(pixels) - SHOWN} more" if len(pixels) > SHOWN else ""
    colours = {f"class_{number}": unpacked(key) for number, (key, _) in enumerate(by_share)}
    remark = f" with {len(pixels)} colours, each taken to be a class and none to be void: {', '.join(shares)}{more}"
    return {"colours": colours}, remark


def _of_ids(pixels: Counter[int], folder: Path) -> tuple[dict[str, Any], str]:
    """A class for each id up to the largest that occurs; for ids beyond a byte with gaps, for each that occurs."""
    present = sorted(pixels)
    if _are_shades(present):
        names = ["background", "object"] if len(present) == 2 else [f"class_{number}" for number in present]
        remark = f" with the greys {listed(present)}, taken to be {len(present)} classes, none of them void"
        return {"ids": dict(zip(present, names, strict=True))}, remark
    beyond = present[0] < 0 or present[-1] > VOID
    voids = [number for number in USUAL_VOIDS if number in pixels] if beyond else [VOID]
    ids = [number for number in present if number not in voids]
    if len(ids) < 2:
        beside = f" beside {listed(voids)}, which means void" if voids else ""
        raise InputError(
            f"{folder} has only the id {ids[0] if ids else 'none'}{beside}, expected two classes at least: number them "
            "0, 1, ..."
        )
    void = voids[0] if len(voids) == 1 else voids or None
    remark = f" with ids {listed(ids)}" + (f" and {listed(voids)}, taken to be void" if beyond and voids else "")
    if ids[0] < 0 or (beyond and ids[-1] >= 2 * len(ids)):
        return {"ids": {number: f"class_{number}" for number in ids}, "void": void}, remark
    return {"classes": [f"class_{number}" for number in range(ids[-1] + 1)], "void": void}, remark


def _are_shades(ids: Sequence[int]) -> bool:
    """Whether these are evenly spaced greys from black to white, as in drawn masks: 0, 255 or 0, 128, 255."""
    even = np.linspace(0, 255, len(ids))
    return 2 <= len(ids) <= MOST_SHADES and bool((abs(np.array(ids) - even) <= 1).all())
