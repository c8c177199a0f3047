"""Positions in a network's input as positions in its photo."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.framing import Box, Framing, Size


def in_box(points: NDArray[np.float32], size: Size, box: Box) -> NDArray[np.float32]:
    """Points (..., 2 K), fractions of `size`, as fractions of a box in it; those outside are below 0 or above 1.

    >>> in_box(np.float32([0.5, 0.5]), (10, 10), Box(0, 4, 10, 2)).tolist()
    [0.5, 0.5]
    """
    return _turned(points, lambda pairs: (pairs * _xy(size) - [box.left, box.top]) / [box.width, box.height])


def out_of_box(points: NDArray[np.float32], size: Size, box: Box) -> NDArray[np.float32]:
    """Points (..., 2 K), fractions of a box in `size`, as fractions of `size`.

    >>> out_of_box(np.float32([0.5, 0.5]), (10, 10), Box(0, 4, 10, 2)).tolist()
    [0.5, 0.5]
    """
    return _turned(points, lambda pairs: (pairs * [box.width, box.height] + [box.left, box.top]) / _xy(size))


def on_photo(points: NDArray[np.float32], frame: Framing) -> NDArray[np.float32]:
    """Points as fractions of a network's input, turned into fractions of the photo that `frame` has placed there."""
    return out_of_box(in_box(points, frame.size, frame.filled), frame.photo, frame.seen)


def _xy(size: Size) -> NDArray[np.int64]:
    return np.array([size[1], size[0]])


def _turned(points: NDArray[np.float32], turn: Any) -> NDArray[np.float32]:
    pairs = points.reshape(*points.shape[:-1], -1, 2)
    turned: NDArray[np.float32] = turn(pairs).astype(np.float32).reshape(points.shape)
    return turned
