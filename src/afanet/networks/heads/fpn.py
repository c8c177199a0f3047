"""The head of the semantic feature pyramid network, for stages of decreasing resolution."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from afanet.networks.heads.head import Features, Head, Stage
from afanet.networks.heads.layers import logits_at, resize


class FPN(Head):
    """The semantic feature pyramid network: a top-down pyramid, whose levels are resized to the finest and added.

    A level of the pyramid is a 1x1 convolution of its stage plus the next coarser level, followed by a 3x3 convolution,
    all with 256 channels. Each level is brought to the finest level's size one level at a time, by a 3x3 convolution to
    128 channels, group norm, ReLU and resizing. Between levels of equal size there is no such step, but each level has
    at least one 3x3 convolution.

    Args:
        stages: any number of stages, the finest first.
        outputs: the number of values per pixel.

    Forward takes the stages' features (B, C, h, w) and the image's (H, W), of any size, and returns (B, outputs, H, W).
    Inside the pyramid resizing takes the nearest pixel; afterwards it is bilinear without aligned corners. Under
    autocast, the last layer and everything after it compute in float32.

    Kirillov et al., Panoptic Feature Pyramid Networks, CVPR 2019. A level is resized to the size of the next level
    instead of doubled, so that any image size is possible.

    >>> import torch
    >>> head = FPN([Stage(32, 4), Stage(64, 8)], outputs=13).eval()
    >>> head((torch.rand(1, 32, 11, 15), torch.rand(1, 64, 6, 8)), (43, 57)).shape
    torch.Size([1, 13, 43, 57])
    """

    output = "dense"
    takes = None
    mixed = True

    def __init__(self, stages: Sequence[Stage], outputs: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(stage.channels, 256, 1) for stage in stages)
        self.smooth = nn.ModuleList(nn.Conv2d(256, 256, 3, padding=1) for _ in stages)
        self.climbs = nn.ModuleList(Climb(_finer(stages[: level + 1])) for level in range(len(stages)))
        self.logits = nn.Conv2d(128, outputs, 1)

    def forward(self, features: Features, size: Sequence[int]) -> Tensor:
        pyramid = [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]
        for level in reversed(range(len(pyramid) - 1)):
            pyramid[level] = pyramid[level] + F.interpolate(pyramid[level + 1], pyramid[level].shape[-2:])
        smooth = [layer(x) for layer, x in zip(self.smooth, pyramid, strict=True)]
        sizes = [x.shape[-2:] for x in smooth]
        added = self.climbs[0](smooth[0], sizes)
        for climb, x in zip(self.climbs[1:], smooth[1:], strict=True):
            added = added + climb(x, sizes)
        return logits_at(self.logits, added, size, aligned=False)


class Climb(nn.Module):
    """A level of the pyramid (B, 256, h, w) brought to the finest level's size, (B, 128, H, W).

    Args:
        finer: the levels whose sizes it takes on, one after the other.
    """

    def __init__(self, finer: Sequence[int]) -> None:
        super().__init__()
        self.finer: Sequence[int | None] = finer or [None]
        self.layers = nn.ModuleList(_layer(128 if step else 256) for step in range(len(self.finer)))

    def forward(self, x: Tensor, sizes: Sequence[Sequence[int]]) -> Tensor:
        for layer, level in zip(self.layers, self.finer, strict=True):
            x = layer(x)
            if level is not None:
                x = resize(x, sizes[level], aligned=False)
        return x


def _finer(stages: Sequence[Stage]) -> list[int]:
    """The levels finer than the last of these stages, the finest last, except those with the stride of the next."""
    strides = [stage.stride for stage in stages]
    return [level for level in reversed(range(len(strides) - 1)) if strides[level] != strides[level + 1]]


def _layer(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, 128, 3, padding=1, bias=False), nn.GroupNorm(32, 128), nn.ReLU(inplace=True))
