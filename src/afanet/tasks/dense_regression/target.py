"""Targets with a quantity at each pixel, one type for each way in which values change in a nearer view."""

from __future__ import annotations

from typing import Literal, Self

from torchvision import tv_tensors

from afanet.tasks.maps import Map

Zoom = Literal["same", "inverse", "proportional"]


class QuantityMap(Map):
    """Numbers at each pixel, float32 (1, H, W), which a nearer view does not change; NaN = not known.

    It flips and crops like a mask and is never interpolated.
    """


class InverseMap(QuantityMap):
    """A quantity that is divided by the scale of a nearer view, as distances are."""

    def nearer(self, scale: float) -> Self:
        """The values divided by `scale`."""
        nearer: Self = tv_tensors.wrap(self / scale, like=self)
        return nearer


class ProportionalMap(QuantityMap):
    """A quantity that grows with the scale of a nearer view, as disparities do."""

    def nearer(self, scale: float) -> Self:
        """The values multiplied by `scale`."""
        nearer: Self = tv_tensors.wrap(self * scale, like=self)
        return nearer


MAPS: dict[Zoom, type[QuantityMap]] = {"same": QuantityMap, "inverse": InverseMap, "proportional": ProportionalMap}
