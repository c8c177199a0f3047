"""Images with any number of channels: photos, which are RGB, and arrays in `.npy` files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.errors import InputError
from afanet.label_files import read_array
from afanet.limits import MOST_CHANNELS, MOST_PIXELS
from afanet.photo import Pixels, decode_photo, read_photo, to_pixels

SUFFIX = ".npy"
MAGIC = b"\x93NUMPY"  # the first bytes of a `.npy` file


def read_image(path: str | Path) -> Pixels:
    """The pixels (H, W, C) uint8 of a photo, see `read_photo`, or of an array (H, W) or (H, W, C) in a `.npy` file.

    Raises `InputError` for a file that is neither, for an array that is not uint8 or has more than 64 million pixels or
    256 channels, and as `read_photo` does.
    """
    if Path(path).suffix.lower() != SUFFIX:
        return read_photo(path)
    return _with_channels(read_array(Path(path), "image"), str(path))


def decode_image(content: bytes, name: str, most_pixels: int = MOST_PIXELS) -> Pixels:
    """As `read_image`, for the content of a file, which messages call `name`."""
    decode = decode_array if content.startswith(MAGIC) else decode_photo
    return decode(io.BytesIO(content), name, most_pixels)


def decode_array(file: BinaryIO, name: str, most_pixels: int = MOST_PIXELS) -> Pixels:
    """As `read_image`, for the open file of an array, which messages call `name`."""
    try:
        array = np.load(file, allow_pickle=False)
    except Exception as error:  # NumPy raises many kinds of error for broken files
        raise InputError(f"{name} cannot be read as an array ({error!s:.80}): copy it again") from error
    return _with_channels(np.asarray(array), name, most_pixels)


def to_image(image: str | Path | Image.Image | NDArray[np.uint8], channels: int = 3) -> Pixels:
    """A path, a PIL image or an array as pixels (H, W, C) uint8, for a network with this many `channels`.

    An array with this many channels stays as it is. Any other array, and any picture, becomes RGB: see `to_pixels`.
    Raises `InputError` as `to_pixels` and `read_image` do.

    >>> to_image(np.zeros((2, 3, 4), np.uint8), 4).shape, to_image(np.zeros((2, 3, 4), np.uint8)).shape
    ((2, 3, 4), (2, 3, 3))
    """
    if isinstance(image, str | Path):
        return read_image(image)
    if not isinstance(image, Image.Image):
        array = np.asarray(image)
        if channels != 3 and array.ndim == 3 and array.shape[2] == channels:
            return _with_channels(array, "the array")
    return to_pixels(image)


def _with_channels(array: NDArray[Any], name: str, most_pixels: int = MOST_PIXELS) -> Pixels:
    shape = array.shape if array.ndim != 2 else (*array.shape, 1)
    if array.dtype != np.uint8 or len(shape) != 3 or not 1 <= shape[2] <= MOST_CHANNELS or not array.size:
        raise InputError(
            f"{name} is an array {array.shape} of {array.dtype}, expected an image (H, W, C) of uint8 with up to "
            f"{MOST_CHANNELS} channels: scale other values to 0 to 255"
        )
    if shape[0] * shape[1] > most_pixels:
        raise InputError(f"{name} has {shape[0]}x{shape[1]} pixels, expected at most {most_pixels:,}: resize it")
    return np.ascontiguousarray(array).reshape(shape)
