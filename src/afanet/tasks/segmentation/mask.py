"""Files of masks: ids or colours, in pictures and arrays."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.label_files import Coloured, packed, read_array, read_colours, read_image, unpacked
from afanet.tasks.segmentation.values import LISTED

ARRAYS = (".npy", ".npz")
PICTURES = (".png", ".tif", ".tiff", ".bmp")
IDS = "map of class ids"
COLOURS = "map of classes in colours"
FORMATS = ("PNG", "TIFF", "BMP")
MODES = ("L", "P", "1", "I;16", "I")


def read_ids(path: Path) -> NDArray[Any]:
    """The ids (H, W) in a file: whole numbers or booleans; raises `InputError` for a file of anything else."""
    if path.suffix.lower() not in ARRAYS:
        return read_image(path, MODES, IDS, FORMATS)
    ids = read_array(path, IDS, "uifb")
    if ids.dtype.kind == "f" or ids.ndim != 2:
        raise InputError(f"{path} holds {ids.dtype} {ids.shape}, expected whole numbers (H, W), a {IDS}: save it so")
    return ids


def read_mask(path: Path) -> Coloured:
    """The colours (H, W) in a file; raises `InputError` for a file of anything else."""
    if path.suffix.lower() not in ARRAYS:
        return read_colours(path, COLOURS)
    colours = read_array(path, COLOURS)
    if colours.dtype != np.uint8 or colours.shape[2:] != (3,):
        raise InputError(f"{path} holds {colours.dtype} {colours.shape}, expected uint8 (H, W, 3), a {COLOURS}")
    return Coloured(packed(colours))


def shows_colours(path: Path) -> bool:
    """Whether a file has a colour for every pixel; in a file with a palette, the indices are taken for ids."""
    if path.suffix.lower() in ARRAYS:
        return read_array(path, IDS, "uifb").ndim == 3
    return read_image(path, (*MODES, "RGB", "RGBA"), IDS, FORMATS).ndim == 3


def count(values: NDArray[Any]) -> Counter[int]:
    """How many pixels have each of the values of an array."""
    if values.dtype in (np.uint8, np.uint16):
        counts = np.bincount(values.ravel())
        present = np.flatnonzero(counts)
        counts = counts[present]
    else:
        present, counts = np.unique(values, return_counts=True)
    return Counter(dict(zip(present.tolist(), counts.tolist(), strict=True)))


def in_words(pixels: Counter[int], coloured: bool) -> str:
    """Values with their counts of pixels, the most frequent first, for a sentence.

    >>> in_words(Counter({7: 12, 9: 1}), coloured=False), in_words(Counter({1: 2}), coloured=True)
    ('the ids 7 in 12 pixels, 9 in 1 pixel', 'the colour [1, 0, 0] in 2 pixels')
    """
    said = [
        f"{unpacked(value) if coloured else value} in {_pixels(number)}" for value, number in pixels.most_common(LISTED)
    ]
    if len(pixels) > LISTED:
        rest = pixels.total() - sum(number for _, number in pixels.most_common(LISTED))
        said.append(f"and {len(pixels) - LISTED} more in {_pixels(rest)}")
    return f"the {'colour' if coloured else 'id'}{'s'[: len(pixels) > 1]} {', '.join(said)}"


def _pixels(number: int) -> str:
    return f"{number} pixel{'s'[: number != 1]}"
