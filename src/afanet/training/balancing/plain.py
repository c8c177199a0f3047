"""The sum of the losses, which needs no other package."""

from __future__ import annotations

from torch import Tensor, nn


class Sum(nn.Module):
    """All losses with weight 1."""

    def __init__(self, count: int) -> None:
        super().__init__()

    def forward(self, losses: Tensor) -> Tensor:
        """The sum of the losses (N,)."""
        return losses.sum()
