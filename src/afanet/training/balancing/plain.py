"""Sums of the losses, which need no other package."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Sum(nn.Module):
    """All losses with weight 1."""

    def __init__(self, count: int) -> None:
        super().__init__()

    def forward(self, losses: Tensor) -> Tensor:
        """The sum of the losses (N,)."""
        return losses.sum()


class Weighted(nn.Module):
    """Each loss with a constant weight of its own.

    >>> Weighted(2, [0.5, 2.0])(torch.tensor([1.0, 3.0])).item()
    6.5
    """

    def __init__(self, count: int, weights: Sequence[float]) -> None:
        super().__init__()
        self.weights = tuple(weights)

    def forward(self, losses: Tensor) -> Tensor:
        """The weighted sum of the losses (N,)."""
        weights = torch.tensor(self.weights, dtype=losses.dtype)
        return losses @ weights.to(losses.device, non_blocking=True)
