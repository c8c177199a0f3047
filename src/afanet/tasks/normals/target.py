"""Surface normals as a target."""

from __future__ import annotations

from typing import Self

import torch
from torch.nn.functional import normalize
from torchvision import tv_tensors

from afanet.tasks.maps import Map


class NormalMap(Map):
    """Unit vectors out of the surface, x to the right, y up, z to the camera, float32 (3, H, W); 0, 0, 0 = not known.

    It crops like a mask and is never interpolated; a mirror negates x, a nearer view stretches z.
    """

    def mirrored(self) -> Self:
        """With x negated."""
        mirrored: Self = tv_tensors.wrap(torch.cat([-self[:1], self[1:]]), like=self)
        return mirrored

    def nearer(self, scale: float) -> Self:
        """With z stretched, at unit length again: surfaces keep their width and lose depth."""
        if scale == 1:
            return self
        stretched = normalize(torch.cat([self[:2], self[2:] * scale]), dim=0)
        nearer: Self = tv_tensors.wrap(stretched, like=self)
        return nearer
