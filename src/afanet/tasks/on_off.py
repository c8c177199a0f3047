"""Files of masks: 0 where something is off, 1 or 255 where it is on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.label_files import read_array, read_image

ARRAYS = (".npy", ".npz")
FORMATS = ("PNG", "TIFF", "BMP")
UNKNOWN = -1
TYPES = "uifb"  # kinds of NumPy's types
STRANGE = -2


def read_on_off(
    file: Path, meaning: str, void: int | None = None, remedy: str = "mend it, or declare `void`"
) -> NDArray[np.int8]:
    """The masks in a file, of any shape: 1 where something is on, 0 where it is off, -1 where it is neither.

    The file is a PNG, TIFF or BMP of ids, or a `.npy` or `.npz`, in which -1 means neither. In any file, `void` means
    neither. Raises `InputError` for another kind of file; and for other values, with `remedy` at the end of the
    sentence.
    """
    array = file.suffix.lower() in ARRAYS
    stored = read_array(file, meaning, TYPES) if array else read_image(file, ("1", "L", "P"), meaning, FORMATS)
    masks = np.full(stored.shape, STRANGE, np.int8)
    masks[(stored == 1) | (stored == 255)] = 1
    masks[stored == 0] = 0
    if array:
        masks[stored == UNKNOWN] = UNKNOWN
    if void is not None:
        masks[stored == void] = UNKNOWN
    if (wrong := masks == STRANGE).any():
        neither = f" or {void} (void)" if void is not None else ""
        raise InputError(
            f"{file} has the value {stored[wrong][0]} at {wrong.sum()} pixels, expected 0 (off), 1 or 255 (on)"
            f"{neither}: {remedy}"
        )
    return masks
