"""How pixels become a network's input: how many channels it takes, and the mean and standard deviation of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError

LEAST, MOST = 1e-6, 1e6  # of a standard deviation; no mean is further from 0
LUMINANCE = (19595, 38470, 7471)  # of red, green and blue, in 65536ths: 0.299, 0.587 and 0.114, as Pillow's mode L


@dataclass(frozen=True)
class Normalisation:
    """The `mean` and `std` of each channel, for values of 0 to 1: a network takes (value - mean) / std.

    >>> IMAGENET.channels, Normalisation((0.5,), (0.25,)).channels
    (3, 1)
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def channels(self) -> int:
        """How many channels the network takes."""
        return len(self.mean)

    def of_grey(self) -> Normalisation:
        """The normalisation of images with one channel: the averages over the channels.

        >>> Normalisation((0.25, 0.5, 0.75), (0.5, 0.5, 0.5)).of_grey()
        Normalisation(mean=(0.5,), std=(0.5,))
        """
        return Normalisation((sum(self.mean) / self.channels,), (sum(self.std) / self.channels,))


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def as_channels(pixels: NDArray[np.uint8], channels: int, name: str = "the image") -> NDArray[np.uint8]:
    """Pixels (H, W, C) with as many channels as a network takes: as they are, or the luminance of RGB.

    The luminance is 0.299 R + 0.587 G + 0.114 B, rounded. Raises `InputError`, which calls the image `name`, for any
    other number of channels.

    >>> as_channels(np.full((1, 1, 3), [255, 0, 0], np.uint8), 1).tolist()
    [[[76]]]
    """
    given = pixels.shape[2]
    if given == channels:
        return pixels
    if (given, channels) == (3, 1):
        sums = pixels.astype(np.int32) @ np.array(LUMINANCE, np.int32)
        return ((sums + 2**15) >> 16).astype(np.uint8)[..., None]
    kind = " (photos are RGB)" if given == 3 else ""
    wanted = "photos, or arrays (H, W, 3)" if channels == 3 else f"arrays (H, W, {channels}) of uint8, as .npy files"
    raise InputError(
        f"{name} has {given} channel{'s' * (given > 1)}{kind}, and the network takes {channels}: give {wanted}, or "
        "train a network with another network.in_chans"
    )


def as_picture(pixels: NDArray[Any]) -> NDArray[Any]:
    """Pixels (H, W, C) as a picture (H, W, 3): the first three channels, or the first alone in grey.

    >>> as_picture(np.zeros((2, 2, 1))).shape, as_picture(np.arange(5).reshape(1, 1, 5)).tolist()
    ((2, 2, 3), [[[0, 1, 2]]])
    """
    return pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1].repeat(3, axis=2)
