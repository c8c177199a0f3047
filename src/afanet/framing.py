"""How a photo of any proportions fits the size of a network's input: stretched, letterboxed or cropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Resize = Literal["stretch", "letterbox", "crop"]
RESIZES: tuple[Resize, ...] = get_args(Resize)
Size = tuple[int, int]  # (H, W) in pixels


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns, as an index of the last two axes of an array."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Framing:
    """How a `photo` of (H, W) fits an input of `size` = (H, W): the photo's part `seen` fills the part `filled`.

    The rest of the photo is not seen, and the rest of the input is padding.
    """

    photo: Size
    size: Size
    seen: Box
    filled: Box

    def on_photo(self, values: NDArray[Any], absent: float) -> NDArray[Any]:
        """Values (..., *size) of the input, cut to the photo's frame: without the padding, still at the input's scale.

        Parts of the photo that were not seen have the value `absent`.

        >>> framing((4, 2), (2, 2), "crop").on_photo(np.ones((2, 2), int), absent=7).tolist()
        [[7, 7], [1, 1], [1, 1], [7, 7]]
        """
        filled = values[..., *self.filled.slices]
        if (self.seen.height, self.seen.width) == self.photo:
            return filled
        height = max(self.filled.height, _scaled(self.photo[0], self.filled.height, self.seen.height))
        width = max(self.filled.width, _scaled(self.photo[1], self.filled.width, self.seen.width))
        top = min(_scaled(self.seen.top, self.filled.height, self.seen.height), height - self.filled.height)
        left = min(_scaled(self.seen.left, self.filled.width, self.seen.width), width - self.filled.width)
        whole = np.full((*values.shape[:-2], height, width), absent, values.dtype)
        whole[..., *Box(top, left, self.filled.height, self.filled.width).slices] = filled
        return whole


def framing(photo: Size, size: Size, resize: Resize) -> Framing:
    """How a photo fits an input of `size`.

    - `stretch`: the whole photo fills the whole input, whatever its proportions
    - `letterbox`: the whole photo, in its proportions, fills the middle, as large as fits
    - `crop`: the largest part in the middle of the photo that has the input's proportions fills the whole input

    >>> framing((40, 20), (8, 8), "letterbox").filled, framing((40, 20), (8, 8), "crop").seen
    (Box(top=0, left=2, height=8, width=4), Box(top=10, left=0, height=20, width=20))
    """
    whole, every = Box(0, 0, *photo), Box(0, 0, *size)
    if resize == "stretch":
        return Framing(photo, size, whole, every)
    (rows, columns), (height, width) = photo, size
    if resize == "crop":
        if rows * width > height * columns:  # the photo is the taller of the two
            rows = min(rows, max(1, _scaled(columns, height, width)))
        else:
            columns = min(columns, max(1, _scaled(rows, width, height)))
        return Framing(photo, size, _middle(photo, (rows, columns)), every)
    if rows * width > height * columns:
        width = min(width, max(1, _scaled(height, columns, rows)))
    else:
        height = min(height, max(1, _scaled(width, rows, columns)))
    return Framing(photo, size, whole, _middle(size, (height, width)))


def _scaled(length: int, numerator: int, denominator: int) -> int:
    """`length * numerator / denominator`, rounded half up, exactly."""
    return (2 * length * numerator + denominator) // (2 * denominator)


def _middle(around: Size, part: Size) -> Box:
    return Box((around[0] - part[0]) // 2, (around[1] - part[1]) // 2, *part)
