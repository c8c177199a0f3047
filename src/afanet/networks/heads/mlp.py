"""The all-MLP decoder of SegFormer, a light head for stages of any number and strides."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from afanet.networks.heads.head import Features, Head, Stage
from afanet.networks.heads.layers import conv_norm, logits_at, resize


class MLP(Head):
    """The all-MLP decoder of SegFormer: a linear layer for each stage, all at the first stage's size, and one for all.

    Args:
        stages: any number of them.
        outputs: values a pixel.

    Forward takes the stages' features (B, C, h, w) and the image's (H, W), of any size, and returns (B, outputs, H, W).
    All resizing is bilinear without aligned corners, as in the original. Under autocast the last layer and what follows
    compute in float32.

    Xie et al., SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers, NeurIPS 2021. All
    layers are 256 wide, as with the paper's small backbones; stages are joined from the first to the last.

    >>> head = MLP([Stage(32, 4), Stage(64, 8)], outputs=13).eval()
    >>> head((torch.rand(1, 32, 11, 15), torch.rand(1, 64, 6, 8)), (43, 57)).shape
    torch.Size([1, 13, 43, 57])
    """

    output = "dense"
    takes = None
    mixed = True

    def __init__(self, stages: Sequence[Stage], outputs: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(stage.channels, 256, 1) for stage in stages)
        self.fuse = nn.Sequential(*conv_norm(256 * len(stages), 256, 1), nn.Dropout(0.1))
        self.logits = nn.Conv2d(256, outputs, 1)

    def forward(self, features: Features, size: Sequence[int]) -> Tensor:
        largest = features[0].shape[-2:]
        projected = [layer(x) for layer, x in zip(self.project, features, strict=True)]
        joined = torch.cat([projected[0], *(resize(x, largest, aligned=False) for x in projected[1:])], 1)
        return logits_at(self.logits, self.fuse(joined), size, aligned=False)
