"""A number for every pixel, in any format that keeps it: distances, and other quantities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.label_files.arrays import read_array
from afanet.label_files.exr import read_exr
from afanet.label_files.pictures import read_image

ARRAYS = (".npy", ".npz")
EXR = ".exr"
ENDINGS = (".png", ".npy", ".npz", ".tif", ".tiff", EXR)
CHANNELS = (("z",), ("depth",), ("y",), ("v",), ("r", "g", "b"))  # of OpenEXR, the last three equal


def read_numbers(path: Path, modes: tuple[str, ...], picture: str, array: str) -> NDArray[Any]:
    """The numbers in a PNG or TIFF of one of the `modes`, or in a `.npy`, `.npz` or OpenEXR file, as they are stored.

    `picture` and `array` say what is expected of the two. They are (H, W), but for arrays, whose shape is for the
    caller to check. Raises `InputError` for a file of another kind.
    """
    suffix = path.suffix.lower()
    if suffix in ARRAYS:
        return read_array(path, array)
    if suffix != EXR:
        return read_image(path, modes, picture, ("PNG", "TIFF"))
    channels = read_exr(path, array, CHANNELS)
    if not np.array_equal(channels, np.broadcast_to(channels[..., :1], channels.shape), equal_nan=True):
        raise InputError(f"{path} has red, green and blue that differ, expected a {array}: save the numbers alone")
    return channels[..., 0]
