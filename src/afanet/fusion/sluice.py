"""Sluice units: one learnt weight for every pair of halves of all tasks' features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.fusion.base import Fusion, Guarded, contract, magnitudes, shares
from afanet.fusion.cross_stitch import start_weights
from afanet.fusion.mix import weighted_sums


class Sluice(Fusion):
    r"""Every half of a task's channels takes a learnt linear combination of both halves of all tasks.

    .. math:: y_{is} = \sum_j \sum_t \alpha_{isjt} \, x_{jt}, \qquad \alpha \in R^{N \times 2 \times N \times 2}

    with :math:`x_{j1}` the first and :math:`x_{j2}` the second half of task j's channels: one half can be shared while
    the other stays the task's own. The weights are the same for every image and need not sum to one. They start at 0.9
    for a half itself and at 0.1 / (2N - 1) for each other half.

    Args:
        channels, tasks, size, limit, protect, readers: see :class:`~afanet.fusion.Fusion`; size is not needed here.

    Raises:
        InputError: for an odd number of channels.

    >>> import torch
    >>> sluice = Sluice(channels=4, tasks=2)
    >>> y_a, y_b = sluice([torch.ones(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)])
    >>> round(y_a.mean().item(), 3), round(y_b.mean().item(), 3)
    (0.933, 0.067)

    Ruder et al., Latent Multi-task Architecture Learning, AAAI 2019. Two parts of the paper are left out: the weights
    between layers (our heads combine several stages themselves) and the penalty on halves that are alike. Parameters
    ``alpha``: (to, half, from, half).
    """

    meet = "stages"

    def __init__(
        self, channels: int, tasks: int = 2, size: Sequence[int] | None = None, **guard: Unpack[Guarded]
    ) -> None:
        super().__init__(channels, tasks, size, **guard)
        if channels % 2:
            raise InputError(
                f"Sluice got channels={channels}, which cannot be halved: expected an even number. Let branches meet "
                "elsewhere, or choose another method"
            )
        self.alpha = nn.Parameter(start_weights(2 * tasks).reshape(tasks, 2, tasks, 2))

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        halves = [half for x in xs for half in x.chunk(2, 1)]
        ys = weighted_sums(halves, self.alpha.flatten(2).flatten(0, 1))
        return [torch.cat(pair, 1) for pair in zip(ys[::2], ys[1::2], strict=True)]

    def fuse_prefix(self, xs: Sequence[Tensor], prefix: Sequence[Tensor]) -> list[Tensor]:
        """Class and register tokens under the weights of the patches."""
        return self.fuse(prefix)

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """The absolute weights as shares, the same for every image: ``{"channel": (B, to, from, C, 1, 1)}``."""
        sums = self.alpha.abs().sum(3).mT.repeat_interleave(self.channels // 2, 2)[..., None, None]
        return {"channel": shares(sums.expand(len(xs[0]), *sums.shape))}

    def carried(self, xs: Sequence[Tensor]) -> Tensor:
        """How much of each output came from each source, (B, to, from), as absolute weights times magnitudes."""
        sizes = torch.stack(magnitudes(xs).mean((3, 4)).chunk(2, 2), 2).mean(3)
        return shares(contract("isjt,bjt->bij", self.alpha.abs(), sizes))

    def cut(self, xs: Sequence[Tensor], to: int, source: int) -> list[Tensor]:
        """The outputs if `to` got its own features instead of those of `source`, under the same weights."""
        changed: list[Tensor] = self(xs)
        changed[to] = self([xs[to] if task == source else x for task, x in enumerate(xs)])[to]
        return changed
