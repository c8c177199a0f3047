"""Layers for several heads: resizing, a convolution with its norm, and logits in full precision."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet.fusion.base import in_full_precision


def conv_norm(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> list[nn.Module]:
    """A convolution that keeps the size, batch norm and ReLU."""
    padding = dilation * (kernel // 2)
    kind = nn.Conv2d if dilation == 1 else WithoutEmptyTaps
    conv = kind(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class WithoutEmptyTaps(nn.Conv2d):
    """A convolution with an odd kernel that keeps the size and, in training, skips kernel taps that only meet zeros.

    If the dilation is at least as large as the features, all taps except the middle ones lie in the padding. At a
    stride of 16 this is most of a pyramid with dilations 6, 12 and 18 on images of up to 192 pixels. The skipped terms
    are zero, and so is the gradient of their weights. In evaluation it computes as `nn.Conv2d`, for any size.

    >>> conv = WithoutEmptyTaps(4, 2, 3, padding=6, dilation=6)
    >>> x = torch.rand(1, 4, 5, 8)
    >>> torch.allclose(conv(x), conv.eval()(x), atol=1e-6)
    True
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) to (B, outputs, H, W)."""
        if not self.training or torch.compiler.is_compiling():
            return super().forward(input)
        weight, padding = self.weight, [int(side) for side in self.padding]
        for axis, (size, dilation) in enumerate(zip(input.shape[-2:], self.dilation, strict=True)):
            if dilation >= size:
                weight = weight.narrow(2 + axis, weight.shape[2 + axis] // 2, 1)
                padding[axis] = 0
        return F.conv2d(input, weight, self.bias, self.stride, padding, self.dilation, self.groups)


def resize(x: Tensor, size: Sequence[int], *, aligned: bool) -> Tensor:
    """`x` (B, C, h, w) resized to (H, W), bilinear; if `aligned`, the centres of corner pixels stay in the corners."""
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=aligned)


def logits_at(layer: nn.Conv2d, x: Tensor, size: Sequence[int], *, aligned: bool) -> Tensor:
    """The output of a head's last layer for `x` at the image's size (H, W), in float32 under autocast."""
    with in_full_precision(x):
        return resize(layer(x.to(layer.weight.dtype)), size, aligned=aligned)
