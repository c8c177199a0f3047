"""Files that are whole or not there."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.errors import InputError


def png(pixels: NDArray[np.uint8] | NDArray[np.uint16] | Image.Image) -> bytes:
    """A picture as a PNG: (H, W, 3) uint8 in colour, (H, W) in grey of 8 or 16 bits."""
    stream = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(stream, "PNG")
    return stream.getvalue()


def write(file: Path, content: bytes) -> Path:
    """Write a file under another name and rename it; raises `InputError` where that cannot be."""
    partial = file.with_name(f"{file.name}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}") from None
    return file
