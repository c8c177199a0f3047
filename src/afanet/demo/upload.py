"""Uploads: a photo, or an array with other channels, is checked before it is unpacked, and never kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.images import decode_image
from afanet.photo import FORMATS

MOST_BYTES = 20 * 2**20
MOST_PIXELS = 32_000_000  # more than most cameras have; unpacking takes 17 bytes per pixel of WebP (0.5 GB), else 9


def read_upload(content: bytes) -> NDArray[np.uint8]:
    """The photo in `content`, upright, as (H, W, 3) RGB, or the array of a `.npy` file, (H, W, C).

    Raises `InputError` for a file that is too large, incomplete, or neither a photo in a format of `afanet.photo` nor
    such an array.

    >>> read_upload(b"MZ")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: the file is not a picture that can be read, expected one of: JPEG, PNG, WEBP, TIFF, ...
    """
    if not content:
        raise InputError(f"the file is empty: choose a picture, one of: {', '.join(FORMATS)}")
    if len(content) > MOST_BYTES:
        raise InputError(f"the file has more than {MOST_BYTES // 2**20} MiB: make the picture smaller")
    return decode_image(content, "the file", MOST_PIXELS)
