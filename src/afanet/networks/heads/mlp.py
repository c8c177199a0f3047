"""The all-MLP decoder of SegFormer, a light head for any number of stages with any strides."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet.fusion.base import in_full_precision
from afanet.networks.heads.head import Features, Head, Stage
from afanet.networks.heads.layers import conv_norm, logits_at, resize


class MLP(Head):
    """The all-MLP decoder of SegFormer: a linear layer for each stage, resizing to the first stage, and one for all.

    Args:
        stages: any number of stages.
        outputs: the number of values per pixel.

    Forward takes the stages' features (B, C, h, w) and the image's (H, W), of any size, and returns (B, outputs, H, W).
    All resizing is bilinear without aligned corners, as in the original. Under autocast, the last layer and everything
    after it compute in float32.

    Xie et al., SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers, NeurIPS 2021. All
    layers have 256 channels; stages are concatenated from the first to the last.

    With stages x_i, their linear layers P_i and the parts M_i of the layer for all, the paper computes
    sum_i M_i resize(P_i x_i) at the first stage's size. This head computes sum_i resize(M_i P_i x_i), at each stage's
    own size: the same result for less work, because a bilinear resize is linear and its weights add up to one.

    >>> head = MLP([Stage(32, 4), Stage(64, 8)], outputs=13).eval()
    >>> head((torch.rand(1, 32, 11, 15), torch.rand(1, 64, 6, 8)), (43, 57)).shape
    torch.Size([1, 13, 43, 57])
    """

    output = "dense"
    takes = None
    mixed = True
    width = 256  # the channels of all layers, as with the paper's small backbones

    def __init__(self, stages: Sequence[Stage], outputs: int) -> None:
        super().__init__()
        self.strides = [stage.stride for stage in stages]
        self.project = nn.ModuleList(nn.Conv2d(stage.channels, self.width, 1) for stage in stages)
        self.fuse = nn.Sequential(*conv_norm(self.width * len(stages), self.width, 1), nn.Dropout(0.1))
        self.logits = nn.Conv2d(self.width, outputs, 1)

    def forward(self, features: Features, size: Sequence[int]) -> Tensor:
        mixes = torch.split(self.fuse.get_parameter("0.weight"), self.width, 1)
        sums: dict[int, Tensor] = {}  # by stride
        for x, stride, project, mix in zip(features, self.strides, self.project, mixes, strict=True):
            y = _projected_and_mixed(x, project, mix)
            sums[stride] = sums[stride] + y if stride in sums else y
        joined, *coarser = sums.values()
        for y in coarser:
            joined = joined + resize(y, joined.shape[-2:], aligned=False)
        return logits_at(self.logits, self.fuse[1:](joined), size, aligned=False)


def _projected_and_mixed(x: Tensor, project: nn.Module, mix: Tensor) -> Tensor:
    """A stage (B, C, h, w) after both of its linear layers: its term (B, width, h, w) of the joint features."""
    if x.shape[1] >= len(mix):
        return F.conv2d(project(x), mix)
    with in_full_precision(x):  # both layers as one, since C is smaller than the width between them
        weight = torch.einsum("ok,kc->oc", mix[..., 0, 0], project.get_parameter("weight")[..., 0, 0])
        bias = mix[..., 0, 0] @ project.get_parameter("bias")
    return F.conv2d(x, weight[..., None, None], bias)


class MLP64(MLP):
    """The all-MLP decoder of SegFormer with 64 channels, not 256: several tasks then cost little more than one.

    >>> head = MLP64([Stage(32, 4), Stage(64, 8)], outputs=13).eval()
    >>> head((torch.rand(1, 32, 11, 15), torch.rand(1, 64, 6, 8)), (43, 57)).shape
    torch.Size([1, 13, 43, 57])
    """

    width = 64
