"""Pixels as a network takes them, without torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.photo import Pixels


def prepare(pixels: Pixels, size: tuple[int, int], mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """A photo (H, W, 3) as a network takes it, (3, *size) float32: resized, never cropped, and normalised.

    Bilinear, antialiased where it shrinks; each channel is (value / 255 - mean) / std. A photo that has `size` already
    becomes bit for bit what training and evaluation make of it, any other matches within one of 255 grey levels.

    >>> prepare(np.full((4, 4, 3), 255, np.uint8), (2, 3), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))[:, 0, 0].tolist()
    [2.0, 2.0, 2.0]
    """
    height, width = size
    if pixels.shape[:2] != size:
        pixels = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
    scaled = pixels.astype(np.float32) * np.float32(1 / 255)  # not / 255: torchvision multiplies
    values = (scaled - np.array(mean, np.float32)) / np.array(std, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1))
