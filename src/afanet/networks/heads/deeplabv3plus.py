"""The head of DeepLabv3+, for one or more values at every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from afanet.networks.heads.head import Features, Head, Stage
from afanet.networks.heads.layers import conv_norm, logits_at, resize


class DeepLabV3Plus(Head):
    """The head of DeepLabv3+: atrous pyramid pooling, joined with low-level features, and logits at the image's size.

    Args:
        channels: the channels of the low and the high features.
        outputs: the number of values per pixel.
        output_stride: the stride of the high features; at a stride of 16 the pyramid's dilations are 6, 12 and 18.

    Forward takes the features (low, high) and the image's (H, W), of any size, and returns (B, outputs, H, W).
    All resizing is bilinear with aligned corners, as in the original. Under autocast, the last layer and everything
    after it compute in float32.

    Chen et al., Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation, ECCV 2018; here
    without separable convolutions, and with dropouts of 0.5, 0.5 and 0.1.

    >>> head = DeepLabV3Plus((64, 512), outputs=13).eval()
    >>> head((torch.rand(1, 64, 11, 15), torch.rand(1, 512, 3, 4)), (43, 57)).shape
    torch.Size([1, 13, 43, 57])
    """

    output = "dense"
    mixed = True

    def __init__(self, channels: tuple[int, int], outputs: int, output_stride: int = 16) -> None:
        super().__init__()
        low, high = channels
        self.aspp = ASPP(high, [rate * 16 // output_stride for rate in (6, 12, 18)])
        self.low = nn.Sequential(*conv_norm(low, 48, 1))
        self.refine = nn.Sequential(
            *conv_norm(256 + 48, 256, 3), nn.Dropout(0.5), *conv_norm(256, 256, 3), nn.Dropout(0.1)
        )
        self.logits = nn.Conv2d(256, outputs, 1)

    @classmethod
    def build(cls, stages: Sequence[Stage], outputs: int, output_stride: int) -> DeepLabV3Plus:
        """The head for the first and the last stage."""
        low, high = stages
        return cls((low.channels, high.channels), outputs, output_stride)

    def forward(self, features: Features, size: Sequence[int]) -> Tensor:
        low, high = features
        low = self.low(low)
        high = resize(self.aspp(high), low.shape[-2:], aligned=True)
        return logits_at(self.logits, self.refine(torch.cat([high, low], 1)), size, aligned=True)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: one 1x1 and three dilated convolutions and the image's mean, projected to 256."""

    def __init__(self, channels: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                nn.Sequential(*conv_norm(channels, 256, 1)),
                *(nn.Sequential(*conv_norm(channels, 256, 3, d)) for d in dilations),
            ]
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_norm(channels, 256, 1))
        self.project = nn.Sequential(*conv_norm(256 * (len(dilations) + 2), 256, 1), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        scales = [conv(x) for conv in self.convs]
        mean = self.pool(x).expand(-1, -1, *x.shape[-2:])
        projected: Tensor = self.project(torch.cat([*scales, mean], 1))
        return projected
