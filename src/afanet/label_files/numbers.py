"""A number for every pixel, such as a distance, in any format that keeps it exactly."""

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
CHANNELS = (("z",), ("depth",), ("y",), ("v",), ("r", "g", "b"))  # of OpenEXR files; the last three must be equal


def read_numbers(path: Path, modes: tuple[str, ...], picture: str, array: str) -> NDArray[Any]:
    """The numbers, as stored, in a PNG or TIFF of one of the `modes`, or in a `.npy`, `.npz` or OpenEXR file.

    Messages call the expected content `picture` for pictures and `array` for the other files. The result is (H, W);
    only arrays may have another shape, which the caller must check. Raises `InputError` for a file of another kind.
    """
    suffix = path.suffix.lower()
    if suffix in ARRAYS:
        return read_array(path, array)
    if suffix != EXR:
        return read_image(path, modes, picture, ("PNG", "TIFF"))
    channels = read_exr(path, array, CHANNELS)
    if not np.array_equal(channels, np.broadcast_to(channels[..., :1], channels.shape), equal_nan=True):
        raise InputError(f"{path} has red, green and blue that differ, expected a {array}: save one channel of numbers")
    return channels[..., 0]
