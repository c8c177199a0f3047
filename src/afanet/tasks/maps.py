"""Targets whose values change with the view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import torch
from torch import Tensor
from torchvision import tv_tensors

from afanet.framing import Box, Size


class Map(tv_tensors.Mask):
    """A map that crops like a mask and is never interpolated; its values may change in a mirror and in a nearer view.

    A kind whose values do not depend on the view, such as class ids, needs only a plain `tv_tensors.Mask`.
    """

    def mirrored(self) -> Self:
        """The values once the map has been turned left to right."""
        return self

    def nearer(self, scale: float) -> Self:
        """The values in a view that shows everything `scale` times as large, as if from `scale` times as near."""
        return self


class Points(tv_tensors.TVTensor):
    """Positions in an image, float32 (2 K,): x and y of each point in turn, fractions of the width and the height.

    0, 0 is the upper left corner of the image, 1, 1 the lower right one, and NaN is not known. Points move with a
    mirror and a crop; one that leaves the view becomes unknown.

    >>> Points([0.25, 0.5, torch.nan, 0.5]).mirrored().tolist()
    [0.75, 0.5, nan, 0.5]
    """

    def __new__(cls, data: Any) -> Self:
        positions: Self = cls._to_tensor(data, dtype=torch.float32).as_subclass(cls)
        return positions

    def mirrored(self) -> Self:
        """The points once the image has been turned left to right."""
        positions = self._pairs()
        return self._like(torch.stack([1 - positions[:, 0], positions[:, 1]], 1))

    def within(self, image: Size, window: Box) -> Self:
        """The points as positions in a `window` of an image of this size; NaN for those that lie outside.

        >>> Points([0.5, 0.5, 0.9, 0.1]).within((10, 10), Box(0, 0, 6, 6)).tolist()
        [0.833..., 0.833..., nan, nan]
        """
        (height, width), positions = image, self._pairs()
        corner, sides = _of(window)
        inside = (positions * positions.new_tensor([width, height]) - positions.new_tensor(corner)) / (
            positions.new_tensor(sides)
        )
        outside = ((inside < 0) | (inside > 1)).any(1, keepdim=True)  # NaN is neither
        return self._like(inside.masked_fill(outside, torch.nan))

    def placed(self, filled: Box, size: Size) -> Self:
        """The points as positions in a larger image of this `size`, of which this image fills the part `filled`.

        >>> Points([0.5, 1.0]).placed(Box(2, 0, 4, 8), (8, 8)).tolist()
        [0.5, 0.75]
        """
        (height, width), positions = size, self._pairs()
        corner, sides = _of(filled)
        pixels = positions * positions.new_tensor(sides) + positions.new_tensor(corner)
        return self._like(pixels / positions.new_tensor([width, height]))

    def _pairs(self) -> Tensor:
        pairs: Tensor = self.as_subclass(Tensor).reshape(-1, 2)
        return pairs

    def _like(self, positions: Tensor) -> Self:
        wrapped: Self = tv_tensors.wrap(positions.flatten(), like=self)
        return wrapped


def _of(box: Box) -> tuple[tuple[int, int], tuple[int, int]]:
    """The corner of a box and its sides, x before y."""
    return (box.left, box.top), (box.width, box.height)


def target_types() -> dict[str, type[tv_tensors.TVTensor]]:
    """Every type of target that follows the view, by name: the plain mask, points, and the maps of the kinds."""
    return {"Mask": tv_tensors.Mask, "Points": Points} | {map.__name__: map for map in _below(Map)}


def _below(kind: type[Map]) -> Iterator[type[Map]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _below(subclass)
