"""The head of DeepLabv3+, for a value or more at every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet.fusion.base import in_full_precision
from afanet.networks.heads.head import Features, Head, Stage


class DenseHead(Head):
    """The head of DeepLabv3+: atrous pyramid pooling, low-level features joined in, logits at the image's size.

    Args:
        channels: of the low and the high features.
        outputs: values a pixel.
        output_stride: of the high features; the pyramid's dilations are 6, 12, 18 at a stride of 16.

    Forward takes the features (low, high) and the image's (H, W), of any size, and returns (B, outputs, H, W).
    All resizing is bilinear with aligned corners, as in the original. Under autocast the last layer and what follows
    compute in float32.

    Chen et al., Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation, ECCV 2018; here
    without separable convolutions, and with dropouts of 0.5, 0.5 and 0.1.

    >>> head = DenseHead((64, 512), outputs=13).eval()
    >>> head((torch.rand(1, 64, 11, 15), torch.rand(1, 512, 3, 4)), (43, 57)).shape
    torch.Size([1, 13, 43, 57])
    """

    output = "dense"
    mixed = True

    def __init__(self, channels: tuple[int, int], outputs: int, output_stride: int = 16) -> None:
        super().__init__()
        low, high = channels
        self.aspp = ASPP(high, [rate * 16 // output_stride for rate in (6, 12, 18)])
        self.low = nn.Sequential(*_conv(low, 48, 1))
        self.refine = nn.Sequential(*_conv(256 + 48, 256, 3), nn.Dropout(0.5), *_conv(256, 256, 3), nn.Dropout(0.1))
        self.logits = nn.Conv2d(256, outputs, 1)

    @classmethod
    def build(cls, stages: Sequence[Stage], outputs: int, output_stride: int) -> DenseHead:
        """The head for the first and the last stage."""
        low, high = stages
        return cls((low.channels, high.channels), outputs, output_stride)

    def forward(self, features: Features, size: Sequence[int]) -> Tensor:
        low, high = features
        low = self.low(low)
        high = _resize(self.aspp(high), low.shape[-2:])
        refined = self.refine(torch.cat([high, low], 1))
        with in_full_precision(refined):
            return _resize(self.logits(refined.to(self.logits.weight.dtype)), size)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: one 1x1 and three dilated convolutions and the image's mean, projected to 256."""

    def __init__(self, channels: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [nn.Sequential(*_conv(channels, 256, 1)), *(nn.Sequential(*_conv(channels, 256, 3, d)) for d in dilations)]
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), *_conv(channels, 256, 1))
        self.project = nn.Sequential(*_conv(256 * (len(dilations) + 2), 256, 1), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        scales = [conv(x) for conv in self.convs]
        mean = self.pool(x).expand(-1, -1, *x.shape[-2:])
        projected: Tensor = self.project(torch.cat([*scales, mean], 1))
        return projected


def _conv(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)
