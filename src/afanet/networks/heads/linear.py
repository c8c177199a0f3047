"""One linear layer: on the features of every pixel, or on their mean for values of the whole image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from afanet.networks.heads.head import Features, Head, Stage
from afanet.networks.heads.layers import resize


class PooledLinear(Head):
    """The mean of the last features over the image, and a linear layer.

    Args:
        channels: the channels of the low and the high features.
        outputs: the number of values per image.

    Forward takes the features (low, high) and returns (B, outputs); it ignores the image's size.

    >>> PooledLinear((64, 512), outputs=8)((torch.rand(2, 64, 8, 8), torch.rand(2, 512, 2, 2)), (32, 32)).shape
    torch.Size([2, 8])
    """

    output = "pooled"

    def __init__(self, channels: tuple[int, int], outputs: int) -> None:
        super().__init__()
        self.logits = nn.Linear(channels[1], outputs)

    @classmethod
    def build(cls, stages: Sequence[Stage], outputs: int, output_stride: int) -> PooledLinear:
        """The head for the first and the last stage."""
        low, high = stages
        return cls((low.channels, high.channels), outputs)

    def forward(self, features: Features, size: Sequence[int]) -> Tensor:
        logits: Tensor = self.logits(features[1].mean((2, 3)))
        return logits


class DenseLinear(Head):
    """A linear probe: all stages at the first stage's size, concatenated and normalised, then a 1x1 convolution.

    Args:
        stages: any number of stages, such as the taps of a plain backbone.
        outputs: the number of values per pixel.

    Forward takes the stages' features (B, C, h, w) and the image's (H, W), of any size, and returns (B, outputs, H, W).
    All resizing is bilinear without aligned corners, as in the original. Under autocast it computes in float32.

    Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, TMLR 2024. With four taps it is the
    paper's probe on layers at several depths (`+ms` or `lin. 4`): batch norm over all channels, then the convolution,
    without dropout.

    >>> head = DenseLinear([Stage(384, 14)] * 4, outputs=13).eval()
    >>> head((torch.rand(1, 384, 4, 5),) * 4, (56, 70)).shape
    torch.Size([1, 13, 56, 70])
    """

    output = "dense"
    takes = None

    def __init__(self, stages: Sequence[Stage], outputs: int) -> None:
        super().__init__()
        channels = sum(stage.channels for stage in stages)
        self.norm = nn.BatchNorm2d(channels)
        self.logits = nn.Conv2d(channels, outputs, 1)

    def forward(self, features: Features, size: Sequence[int]) -> Tensor:
        largest = features[0].shape[-2:]
        joined = torch.cat([features[0], *(resize(x, largest, aligned=False) for x in features[1:])], 1)
        return resize(self.logits(self.norm(joined)), size, aligned=False)
