"""CAM: per channel, how much a task keeps and how much it takes from the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet.fusion.base import Fusion, Guarded, in_full_precision, without
from afanet.fusion.gates import excess_of, gate_matrices, softmax_over_sources, weights_of
from afanet.fusion.mix import means_over_pixels, mix, weighted_sums


class ChannelAggregation(Fusion):
    r"""CAM, the channel-wise half of AFA: per channel, how much a task keeps and how much it takes from the others.

    .. math::
        d = [GAP(x_1); \dots; GAP(x_N)],\quad g = ReLU(W d),\quad
        (w_{self}, w_{other}) = softmax(P_{self}\, g,\; P_{other}\, g), \\
        y_i = w_{self} \, x_i + w_{other} \, \frac{1}{N-1} \sum_{j \ne i} x_j

    with W: NC -> r, r = max(2C / 16, 32), no biases. All tasks share one pair of gates, (B, C) each. With ``per_task``
    every task instead has its own softmax over all N sources: P is (N, N, C, r), at a cost of N squared.

    Args:
        channels, tasks, size, limit, protect, readers: see :class:`~afanet.fusion.Fusion`; size is not needed here.
        per_task: give every task its own gates.

    >>> import torch
    >>> cam = ChannelAggregation(channels=8, tasks=3)
    >>> xs = [torch.rand(2, 8, 5, 6) for _ in range(3)]
    >>> [y.shape for y in cam(xs)][0]
    torch.Size([2, 8, 5, 6])
    >>> cam.gates(xs)["channel"].shape  # (B, to, from, C, 1, 1), summing to one over the sources
    torch.Size([2, 3, 3, 8, 1, 1])

    Shen et al., Deep Adaptive Feature Aggregation in Multi-task Convolutional Neural Networks, CIKM 2020. Differs from
    the original: it takes any N (the two are equal at N = 2), and it has no ReLU after the mix. That ReLU would change
    nothing on a ResNet's features, which are non-negative, and would destroy half of those of a ConvNeXt or a ViT.
    """

    mixes_by_gates = True

    def __init__(
        self,
        channels: int,
        tasks: int = 2,
        size: Sequence[int] | None = None,
        *,
        per_task: bool = False,
        **guard: Unpack[Guarded],
    ) -> None:
        super().__init__(channels, tasks, size, **guard)
        self.per_task = per_task
        r = max(2 * channels // 16, 32)
        self.W = nn.Linear(tasks * channels, r, bias=False)
        self.P = gate_matrices(tasks, channels, r, per_task)

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return self._mixed(xs, self._gating(xs))

    def fuse_prefix(self, xs: Sequence[Tensor], prefix: Sequence[Tensor]) -> list[Tensor]:
        """Class and register tokens mixed by the gates of the patches."""
        return self._mixed(prefix, self._gating(xs))

    def fuse_tokens(self, xs: Sequence[Tensor], prefix: Sequence[Tensor]) -> list[Tensor]:
        gating = self._gating(xs)
        return [*self._mixed(xs, gating), *self._mixed(prefix, gating)]

    def _gating(self, xs: Sequence[Tensor]) -> Tensor:
        return self.weights(xs)[..., None, None].movedim(0, 2) if self.per_task else self.excess(xs)[..., None, None]

    def _mixed(self, xs: Sequence[Tensor], gating: Tensor) -> list[Tensor]:
        return weighted_sums(xs, gating) if self.per_task else mix(xs, gating)

    def excess(self, xs: Sequence[Tensor]) -> Tensor:
        """a = w_self - w_other / (N - 1), (B, C): the weight of a task's difference from the mean of all tasks."""
        return excess_of(self._hidden(xs), self.P, self.tasks)

    def weights(self, xs: Sequence[Tensor]) -> Tensor:
        """(B, to, from, C): the weight with which output `to` takes source `from`; they sum to one over the sources."""
        if self.per_task:
            return softmax_over_sources(self._hidden(xs), self.P)
        return weights_of(self.excess(xs), self.tasks)

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """The gates for these features: ``{"channel": (B, to, from, C, 1, 1)}``."""
        return {"channel": self.weights(xs)[..., None, None]}

    def hidden(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """The hidden units g for these features: ``{"channel": (B, r)}``."""
        return {"channel": self._hidden(xs)}

    def cut(self, xs: Sequence[Tensor], to: int, source: int) -> list[Tensor]:
        """The outputs if `to` got its own features instead of those of `source`, under the same gates."""
        return without(xs, self(xs), self.weights(xs)[:, to, source, :, None, None], to, source)

    def _hidden(self, xs: Sequence[Tensor]) -> Tensor:
        with in_full_precision(xs[0]):
            d = torch.cat(means_over_pixels(xs), 1)
            return F.relu(self.W(d.to(self.W.weight.dtype)))
