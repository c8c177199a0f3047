"""SAM: per pixel, how much each task keeps and how much it takes from the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.fusion.base import Fusion, Guarded, in_full_precision, without
from afanet.fusion.gates import excess_of, gate_matrices, softmax_over_sources, weights_of
from afanet.fusion.mix import means_over_channels, mix, weighted_sums
from afanet.fusion.pooling import pool

LONGEST_GRID = 20  # dense spatial gates hold 2 (H W)^2 weights: at 20 x 20 these are 320,000


class SpatialAggregation(Fusion):
    r"""SAM, the spatial half of AFA: per pixel, how much each task keeps and how much it takes from the others.

    .. math::
        s = [mean_c\, x_1; \dots; mean_c\, x_N],\quad g = ReLU(conv_{7 \times 7}(s)),\quad
        (w_{self}, w_{other}) = softmax(Q_{self}\, g,\; Q_{other}\, g), \\
        y_i = w_{self} \, x_i + w_{other} \, \frac{1}{N-1} \sum_{j \ne i} x_j

    The convolution takes N maps to one, which is flattened; Q: HW -> HW is dense; there are no biases. The features may
    have any size: their descriptor is pooled to the layer's own grid, the gates are computed there and resized
    (bilinear) to the features. At the grid's own size pooling and resizing are the identity. The grid is ``size``,
    shrunk in proportion so that its longer side is at most 20.

    Args:
        channels, tasks, limit, protect, readers: see :class:`~afanet.fusion.Fusion`.
        size: (H, W) of the features, required.
        per_task: give every task its own gates over all N sources; Q is (N, N, HW, HW), at a cost of N squared.
        alive: start the convolution from positive weights that sum to 1 / sqrt(3). The original starts from weights of
            any sign, whose sum is of this size but may be negative. If it is negative and the features come from a
            ReLU (s >= 0), most or all of g is zero for every image and gets no gradient.

    Raises:
        InputError: if size is missing.

    >>> import torch
    >>> sam = SpatialAggregation(channels=8, tasks=2, size=(5, 6))
    >>> [tuple(y.shape) for y in sam([torch.rand(2, 8, 9, 7), torch.rand(2, 8, 9, 7)])]
    [(2, 8, 9, 7), (2, 8, 9, 7)]

    Shen et al., CIKM 2020. Differs from the original, which takes one input size and two tasks only and applies a ReLU
    after the mix (see :class:`ChannelAggregation`).
    """

    mixes_by_gates = True
    size: tuple[int, int]

    def __init__(
        self,
        channels: int,
        tasks: int = 2,
        size: Sequence[int] | None = None,
        *,
        per_task: bool = False,
        alive: bool = False,
        **guard: Unpack[Guarded],
    ) -> None:
        super().__init__(channels, tasks, size, **guard)
        if size is None:
            raise InputError(
                "SpatialAggregation needs size=(height, width): its gates are dense over the features' pixels"
            )
        self.per_task = per_task
        self.grid = _grid(self.size)
        pixels = self.grid[0] * self.grid[1]
        self.conv = nn.Conv2d(tasks, 1, 7, padding=3, bias=False)
        if alive:
            with torch.no_grad():
                self.conv.weight.abs_().mul_(1 / (3**0.5 * self.conv.weight.sum()))
        self.Q = gate_matrices(tasks, pixels, pixels, per_task)

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        s = self.describe(xs)
        if self.per_task:
            return weighted_sums(xs, self.weights(s).unsqueeze(3).movedim(0, 2))
        return mix(xs, self.excess(s))

    def describe(self, xs: Sequence[Tensor]) -> Tensor:
        """s, (B, N, H, W): every task's mean over its channels."""
        with in_full_precision(xs[0]):
            equal_weights = torch.full_like(xs[0][:, :, 0, 0], 1 / self.channels).unsqueeze(1)
            s = torch.cat(means_over_channels(xs, equal_weights), 1)
            return s.reshape(*s.shape[:2], *xs[0].shape[2:])

    def excess(self, s: Tensor) -> Tensor:
        """a = w_self - w_other / (N - 1), (B, 1, H, W), from the descriptor s."""
        return self._resize(excess_of(self._hidden(s), self.Q, self.tasks), s)

    def weights(self, s: Tensor) -> Tensor:
        """The weight with which output `to` takes source `from`, (B, to, from, H, W), from the descriptor s."""
        if self.per_task:
            w = self._resize(softmax_over_sources(self._hidden(s), self.Q), s)
            return w.reshape(w.shape[0], self.tasks, self.tasks, *w.shape[2:])
        return weights_of(self.excess(s).squeeze(1), self.tasks)

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """The gates for these features: ``{"spatial": (B, to, from, 1, H, W)}``."""
        return {"spatial": self.weights(self.describe(xs)).unsqueeze(3)}

    def hidden(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """The hidden units g for these features: ``{"spatial": (B, HW of the grid)}``."""
        return {"spatial": self._hidden(self.describe(xs))}

    def cut(self, xs: Sequence[Tensor], to: int, source: int) -> list[Tensor]:
        """The outputs if `to` got its own features instead of those of `source`, under the same gates."""
        return without(xs, self(xs), self.weights(self.describe(xs))[:, to, source].unsqueeze(1), to, source)

    def _hidden(self, s: Tensor) -> Tensor:
        with in_full_precision(s):
            pooled = pool(s.to(self.conv.weight.dtype), self.grid)
            return F.relu(self.conv(pooled)).flatten(1)

    def _resize(self, gates: Tensor, s: Tensor) -> Tensor:
        # (B, ..., HW of the grid) -> (B, maps, H, W); at the grid's own size bilinear resizing is exact
        maps = gates.reshape(gates.shape[0], -1, *self.grid)
        return F.interpolate(maps, s.shape[-2:], mode="bilinear", align_corners=False)


def _grid(size: tuple[int, int]) -> tuple[int, int]:
    shrink = min(1.0, LONGEST_GRID / max(size))
    return max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))
