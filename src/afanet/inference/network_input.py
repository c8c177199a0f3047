"""From pixels to a network's input, without torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.framing import Resize, framing
from afanet.normalisation import as_channels
from afanet.photo import Pixels


def prepare(
    pixels: Pixels, size: tuple[int, int], mean: Sequence[float], std: Sequence[float], resize: Resize = "stretch"
) -> NDArray[np.float32]:
    """An image (H, W, C) as a network takes it, (channels, *size) float32: resized, see `framing`, and normalised.

    Resizing is bilinear, with antialiasing if the image shrinks. Each channel is (value / 255 - mean) / std, and 0 in
    padding. There are as many channels as means; a single channel is the luminance of RGB, see `as_channels`, which
    raises `InputError` if the channels do not fit. Without resizing, the result equals that of training and evaluation
    bit for bit; with resizing, it matches within one of 255 grey levels.

    >>> prepare(np.full((4, 4, 3), 255, np.uint8), (2, 3), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))[:, 0, 0].tolist()
    [2.0, 2.0, 2.0]
    """
    pixels = as_channels(pixels, len(mean))
    frame = framing((pixels.shape[0], pixels.shape[1]), size, resize)
    seen = pixels[frame.seen.slices]
    height, width = frame.filled.height, frame.filled.width
    if seen.shape[:2] != (height, width):
        channels = [Image.fromarray(np.ascontiguousarray(channel)) for channel in seen.transpose(2, 0, 1)]
        resized = [np.asarray(channel.resize((width, height), Image.Resampling.BILINEAR)) for channel in channels]
        seen = np.stack(resized, axis=-1)
    scaled = seen.astype(np.float32) * np.float32(1 / 255)  # not / 255: torchvision multiplies
    values = (scaled - np.array(mean, np.float32)) / np.array(std, np.float32)
    prepared = np.zeros((len(mean), *size), np.float32)
    prepared[:, *frame.filled.slices] = values.transpose(2, 0, 1)
    return prepared
