"""Depth as a target."""

from __future__ import annotations

from typing import Self

from torchvision import tv_tensors

from afanet.tasks.maps import Map


class DepthMap(Map):
    """Depth in metres along the camera's axis, float32 (1, H, W); 0 = not measured.

    It flips and crops like a mask, is never interpolated, and changes its values when the view is scaled.
    """

    def nearer(self, scale: float) -> Self:
        """So many times as near."""
        nearer: Self = tv_tensors.wrap(self / scale, like=self)
        return nearer
