"""Shared by both mixtures of experts: a gate that looks at the image, and the mixture with the gate's weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from afanet.fusion.base import in_full_precision
from afanet.networks.heads.layers import resize


class Gate(nn.Module):
    r"""How much a task takes from each expert: :math:`g = softmax(W x + b)`, with x all values of the image.

    Args:
        channels: the channels of the image.
        size: (H, W) of the images for which it is made; others are resized to this size.
        experts: K, the number of experts.

    >>> weights = Gate(3, (8, 12), experts=4)(torch.rand(2, 3, 16, 24))
    >>> tuple(weights.shape), bool(torch.allclose(weights.sum(1), torch.ones(2)))
    ((2, 4), True)
    """

    def __init__(self, channels: int, size: Sequence[int], experts: int) -> None:
        super().__init__()
        self.size = (int(size[0]), int(size[1]))
        self.weigh = nn.Linear(channels * self.size[0] * self.size[1], experts)

    def forward(self, image: Tensor) -> Tensor:
        """The weights (B, K) for images (B, C, H, W)."""
        with in_full_precision(image):
            x = resize(image.to(self.weigh.weight.dtype), self.size, aligned=False)
            return torch.softmax(self.weigh(x.flatten(1)), 1)


def mixture(weights: Tensor, experts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Each stage's weighted sum over K experts, with weights (B, K).

    >>> mixture(torch.tensor([[0.25, 0.75]]), [[torch.ones(1, 1, 1, 1)], [torch.full((1, 1, 1, 1), 5.0)]])
    [tensor([[[[4.]]]])]
    """
    stages = []
    for maps in zip(*experts, strict=True):
        shares = weights.type_as(maps[0])[:, :, None, None, None]
        y = maps[0] * shares[:, 0]
        for number, x in enumerate(maps[1:], 1):
            y = torch.addcmul(y, x, shares[:, number])
        stages.append(y)
    return stages
