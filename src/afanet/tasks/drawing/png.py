"""A picture as the bytes of a PNG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def png(pixels: NDArray[np.uint8] | NDArray[np.uint16] | Image.Image) -> bytes:
    """A picture as a PNG: (H, W, 3) uint8 in colour, (H, W) in grey of 8 or 16 bits."""
    buffer = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(buffer, "PNG")
    return buffer.getvalue()
