"""Cross-stitch units: one learnt weight per channel for every pair of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor, nn

from afanet.fusion.base import Fusion, Guarded, contract, magnitudes, shares, without
from afanet.fusion.mix import weighted_sums


class CrossStitch(Fusion):
    r"""Every task takes a learnt linear combination of all tasks' features, channel by channel.

    .. math:: y_i = \sum_j \alpha_{ij} \odot x_j, \qquad \alpha \in R^{N \times N \times C}

    The weights are the same for every image and need not sum to one. They start at 0.9 for a task's own features and
    at 0.1 / (N - 1) for those of each other task.

    Args:
        channels, tasks, size, limit, protect, readers: see :class:`~afanet.fusion.Fusion`; size is not needed here.

    >>> import torch
    >>> stitch = CrossStitch(channels=4, tasks=2)
    >>> y_a, y_b = stitch([torch.ones(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)])
    >>> round(y_a.mean().item(), 3), round(y_b.mean().item(), 3)
    (0.9, 0.1)

    Misra et al., Cross-stitch Networks for Multi-task Learning, CVPR 2016. Parameters ``alpha``: (to, from, C, 1, 1).
    """

    meet = "stages"

    def __init__(
        self, channels: int, tasks: int = 2, size: Sequence[int] | None = None, **guard: Unpack[Guarded]
    ) -> None:
        super().__init__(channels, tasks, size, **guard)
        self.alpha = nn.Parameter(start_weights(tasks)[..., None, None, None].repeat(1, 1, channels, 1, 1))

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return weighted_sums(xs, self.alpha)

    def fuse_prefix(self, xs: Sequence[Tensor], prefix: Sequence[Tensor]) -> list[Tensor]:
        """Class and register tokens under the weights of the patches."""
        return weighted_sums(prefix, self.alpha)

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """The absolute weights as shares, the same for every image: ``{"channel": (B, to, from, C, 1, 1)}``."""
        return {"channel": shares(self.alpha.abs().expand(len(xs[0]), *self.alpha.shape))}

    def carried(self, xs: Sequence[Tensor]) -> Tensor:
        """How much of each output came from each source, (B, to, from), as absolute weights times magnitudes."""
        return shares(contract("ijc,bjc->bij", self.alpha.abs()[..., 0, 0], magnitudes(xs).mean((3, 4))))

    def cut(self, xs: Sequence[Tensor], to: int, source: int) -> list[Tensor]:
        """The outputs if `to` got its own features instead of those of `source`, under the same gates."""
        return without(xs, self(xs), self.alpha[to, source], to, source)


def start_weights(tasks: int) -> Tensor:
    """The initial weights (N, N) of cross-stitch and NDDR: 0.9 from the task itself, 0.1 from all others together."""
    return torch.full((tasks, tasks), 0.1 / (tasks - 1)).fill_diagonal_(0.9)
