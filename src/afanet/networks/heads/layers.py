"""What several heads are made of: resizing, a convolution with its norm, and logits in full precision."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from afanet.fusion.base import in_full_precision


def conv_norm(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> list[nn.Module]:
    """A convolution that keeps the size, batch norm and ReLU."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def resize(x: Tensor, size: Sequence[int], *, aligned: bool) -> Tensor:
    """`x` (B, C, h, w) at a size (H, W), bilinear; `aligned` if the corner pixels' centres stay in the corners."""
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=aligned)


def logits_at(layer: nn.Conv2d, x: Tensor, size: Sequence[int], *, aligned: bool) -> Tensor:
    """The output of a head's last layer for `x` at the image's size (H, W), in float32 under autocast."""
    with in_full_precision(x):
        return resize(layer(x.to(layer.weight.dtype)), size, aligned=aligned)
