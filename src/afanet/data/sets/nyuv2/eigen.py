"""The part of a frame on which the literature scores depth."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.data.sets.nyuv2.classes import VOID
from afanet.data.transforms import DepthMap, NormalMap
from afanet.tasks.edges.target import UNLABELLED, EdgeMap

FRAME = (480, 640)
ROWS, COLUMNS = (45, 471), (41, 601)  # of a frame; ends are exclusive


class EigenCrop(v2.Transform):
    """Makes every target unlabelled outside the crop of Eigen et al. (NIPS 2014); images do not change.

    In a frame of 480x640 pixels, the crop is rows 45 to 470 and columns 41 to 600, both counted from 0. At another
    size, a pixel belongs to the crop if its centre is inside. Outside, classes become 255 (void), depth 0, normals
    0, 0, 0, and edges -1.

    >>> depth = EigenCrop()(DepthMap(torch.ones(1, 480, 640)))
    >>> depth[0].nonzero()[[0, -1]].tolist()
    [[45, 41], [470, 600]]
    """

    of_frame = True  # so that this step comes before a letterbox or a crop of the frame

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, tv_tensors.Mask):
            return inpt
        unlabelled = 0 if isinstance(inpt, DepthMap | NormalMap) else UNLABELLED if isinstance(inpt, EdgeMap) else VOID
        values = inpt.as_subclass(Tensor)
        kept = torch.where(inside(values.shape[-2], values.shape[-1]), values, unlabelled)
        return tv_tensors.wrap(kept, like=inpt)


def inside(height: int, width: int) -> Tensor:
    """Which pixels of a frame of this size belong to the crop, bool (height, width).

    >>> inside(8, 8)[:2].int().tolist()
    [[0, 0, 0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 1, 1, 1]]
    """
    return _within(ROWS, FRAME[0], height)[:, None] & _within(COLUMNS, FRAME[1], width)


def _within(limits: tuple[int, int], whole: int, count: int) -> Tensor:
    """Which of `count` equal parts of [0, whole) have their centres within the limits."""
    centres = (2 * torch.arange(count) + 1) * whole // (2 * count)
    return (centres >= limits[0]) & (centres < limits[1])
