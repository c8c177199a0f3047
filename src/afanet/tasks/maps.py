"""Dense targets whose values change with the view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from torchvision import tv_tensors


class Map(tv_tensors.Mask):
    """A map that crops like a mask and is never interpolated; its values follow a mirror and a nearer view.

    A kind whose values do not depend on the view, such as class ids, needs only a plain `tv_tensors.Mask`.
    """

    def mirrored(self) -> Self:
        """The values once the map has been turned left to right."""
        return self

    def nearer(self, scale: float) -> Self:
        """The values where everything is seen `scale` times as large, as from so many times as near."""
        return self


def map_types() -> dict[str, type[tv_tensors.Mask]]:
    """Every type of map by name: the plain mask, and those that the kinds of task define."""
    return {"Mask": tv_tensors.Mask} | {map.__name__: map for map in _below(Map)}


def _below(kind: type[Map]) -> Iterator[type[Map]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _below(subclass)
