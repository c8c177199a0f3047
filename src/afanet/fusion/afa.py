"""Adaptive feature aggregation: CAM, SAM and the AFA layer made of both."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.fusion.base import Fusion, in_full_precision, weighted_sums
from afanet.fusion.mix import mix, product

LONGEST_GRID = 20  # dense spatial gates hold 2 (H W)^2 weights: at 20 x 20 these are 320,000


class ChannelAggregation(Fusion):
    r"""CAM, the channel-wise half of AFA: per channel, how much a task keeps and how much it takes from the others.

    .. math::
        d = [GAP(x_1); \dots; GAP(x_N)],\quad g = ReLU(W d),\quad
        (w_{self}, w_{other}) = softmax(P_{self}\, g,\; P_{other}\, g), \\
        y_i = w_{self} \, x_i + w_{other} \, \frac{1}{N-1} \sum_{j \ne i} x_j

    with W: NC -> r, r = max(2C / 16, 32), no biases. One pair of gates, (B, C) each, serves every task. With
    ``per_task`` every task has a softmax of its own over all N sources instead: P is (N, N, C, r), the cost N squared.

    Args:
        channels, tasks, size, limit, protect: see :class:`~afanet.fusion.Fusion`; size is not needed here.
        per_task: gates of its own for every task.

    >>> import torch
    >>> cam = ChannelAggregation(channels=8, tasks=3)
    >>> xs = [torch.rand(2, 8, 5, 6) for _ in range(3)]
    >>> [y.shape for y in cam(xs)][0]
    torch.Size([2, 8, 5, 6])
    >>> cam.gates(xs)["channel"].shape  # (B, to, from, C, 1, 1); the weights of all sources sum to one
    torch.Size([2, 3, 3, 8, 1, 1])

    Shen et al., Deep Adaptive Feature Aggregation in Multi-task Convolutional Neural Networks, CIKM 2020. Differs from
    the original: any N (equal at N = 2), and no ReLU after the mix, which changes nothing on the non-negative features
    of a ResNet and would destroy half of those of a ConvNeXt or a ViT.
    """

    def __init__(
        self,
        channels: int,
        tasks: int = 2,
        size: Sequence[int] | None = None,
        *,
        per_task: bool = False,
        limit: float = math.inf,
        protect: Collection[int] | None = None,
    ) -> None:
        super().__init__(channels, tasks, size, limit=limit, protect=protect)
        self.per_task = per_task
        r = max(2 * channels // 16, 32)
        self.W = nn.Linear(tasks * channels, r, bias=False)
        self.P = _gate_matrices(tasks, channels, r, per_task)

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        if self.per_task:
            return weighted_sums(xs, self.weights(xs)[..., None, None].movedim(0, 2))
        return mix(xs, self.excess(xs)[..., None, None])

    def excess(self, xs: Sequence[Tensor]) -> Tensor:
        """a = w_self - w_other / (N - 1), (B, C): the coefficient of a task's own features beyond the average's."""
        return _excess(self._hidden(xs), self.P, self.tasks)

    def weights(self, xs: Sequence[Tensor]) -> Tensor:
        """(B, to, from, C): the weight with which output `to` takes source `from`; they sum to one over the sources."""
        if self.per_task:
            return _softmax_over_sources(self._hidden(xs), self.P)
        return _weights_of(self.excess(xs), self.tasks)

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """What the layer does with these features: ``{"channel": (B, to, from, C, 1, 1)}``."""
        return {"channel": self.weights(xs)[..., None, None]}

    def _hidden(self, xs: Sequence[Tensor]) -> Tensor:
        with in_full_precision(xs[0]):
            x = xs[0]
            averages = torch.full_like(x[:, :1], 1 / (x.shape[2] * x.shape[3])).flatten(2)
            d = torch.cat([product(x.flatten(2), averages.mT, like=x).squeeze(2) for x in xs], 1)
            return F.relu(self.W(d.to(self.W.weight.dtype)))


class SpatialAggregation(Fusion):
    r"""SAM, the spatial half of AFA: per pixel, how much each task keeps and how much it takes from the others.

    .. math::
        s = [mean_c\, x_1; \dots; mean_c\, x_N],\quad g = ReLU(conv_{7 \times 7}(s)),\quad
        (w_{self}, w_{other}) = softmax(Q_{self}\, g,\; Q_{other}\, g), \\
        y_i = w_{self} \, x_i + w_{other} \, \frac{1}{N-1} \sum_{j \ne i} x_j

    The convolution takes N maps to one, which is flattened; Q: HW -> HW is dense, no biases. Any input size is taken:
    the descriptor is pooled to the layer's own grid, gated there, and the gates are resized (bilinear) to the features;
    at the grid's own size both are the identity. The grid is ``size``, shrunk in proportion so that its longer side is
    at most 20.

    Args:
        channels, tasks, limit, protect: see :class:`~afanet.fusion.Fusion`.
        size: (H, W) of the features, required.
        per_task: gates of its own for every task over all N sources; Q is (N, N, HW, HW) and the cost N squared.

    Raises:
        InputError: where size is missing.

    >>> import torch
    >>> sam = SpatialAggregation(channels=8, tasks=2, size=(5, 6))
    >>> [tuple(y.shape) for y in sam([torch.rand(2, 8, 9, 7), torch.rand(2, 8, 9, 7)])]
    [(2, 8, 9, 7), (2, 8, 9, 7)]

    Shen et al., CIKM 2020. Differs from the original, which is tied to one input size and two tasks, and applies a ReLU
    after the mix (see :class:`ChannelAggregation`).
    """

    size: tuple[int, int]

    def __init__(
        self,
        channels: int,
        tasks: int = 2,
        size: Sequence[int] | None = None,
        *,
        per_task: bool = False,
        limit: float = math.inf,
        protect: Collection[int] | None = None,
    ) -> None:
        super().__init__(channels, tasks, size, limit=limit, protect=protect)
        if size is None:
            raise InputError(
                "SpatialAggregation needs size=(height, width): its gates are dense over the features' pixels"
            )
        self.per_task = per_task
        self.grid = _grid(self.size)
        pixels = self.grid[0] * self.grid[1]
        self.conv = nn.Conv2d(tasks, 1, 7, padding=3, bias=False)
        self.Q = _gate_matrices(tasks, pixels, pixels, per_task)

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        s = self.describe(xs)
        if self.per_task:
            return weighted_sums(xs, self.weights(s).unsqueeze(3).movedim(0, 2))
        return mix(xs, self.excess(s))

    def describe(self, xs: Sequence[Tensor]) -> Tensor:
        """s, (B, N, H, W): every task's mean over its channels."""
        with in_full_precision(xs[0]):
            averages = torch.full_like(xs[0][:, :, 0, 0], 1 / self.channels).unsqueeze(1)
            s = torch.cat([product(averages, x.flatten(2), like=x) for x in xs], 1)
            return s.reshape(*s.shape[:2], *xs[0].shape[2:])

    def excess(self, s: Tensor) -> Tensor:
        """a = w_self - w_other / (N - 1), (B, 1, H, W), from the descriptor s."""
        return self._resize(_excess(self._hidden(s), self.Q, self.tasks), s)

    def weights(self, s: Tensor) -> Tensor:
        """(B, to, from, H, W) from the descriptor s: the weight with which output `to` takes source `from`."""
        if self.per_task:
            w = self._resize(_softmax_over_sources(self._hidden(s), self.Q), s)
            return w.reshape(w.shape[0], self.tasks, self.tasks, *w.shape[2:])
        return _weights_of(self.excess(s).squeeze(1), self.tasks)

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """What the layer does with these features: ``{"spatial": (B, to, from, 1, H, W)}``."""
        return {"spatial": self.weights(self.describe(xs)).unsqueeze(3)}

    def _hidden(self, s: Tensor) -> Tensor:
        with in_full_precision(s):
            pooled = F.adaptive_avg_pool2d(s.to(self.conv.weight.dtype), self.grid)
            return F.relu(self.conv(pooled)).flatten(1)

    def _resize(self, gates: Tensor, s: Tensor) -> Tensor:
        # (B, ..., HW of the grid) -> (B, maps, H, W); at the grid's own size bilinear resizing is exact
        maps = gates.reshape(gates.shape[0], -1, *self.grid)
        return F.interpolate(maps, s.shape[-2:], mode="bilinear", align_corners=False)


class AFA(Fusion):
    r"""The adaptive feature aggregation layer: CAM, then SAM.

    Two mixes in a row with shared gates are one. With :math:`\bar x` the mean of the N tensors, each mix is
    :math:`y_i = \bar x + a (x_i - \bar x)`, a = w_self - w_other / (N - 1), which leaves :math:`\bar x` as it is, so

    .. math:: y_i = \bar x + a_{CAM} \, a_{SAM} \, (x_i - \bar x),

    and SAM's descriptor of CAM's output is had from x and a_CAM without writing that output to memory. This is what
    runs; guarded or with ``per_task`` gates, CAM and SAM run one after the other, each with a guard of its own.

    Args:
        channels, tasks, limit, protect: see :class:`~afanet.fusion.Fusion`.
        size: (H, W) of the features, required by SAM.
        per_task: gates of its own for every task over all N sources, at a cost of N squared.

    >>> import torch
    >>> afa = AFA(channels=16, tasks=2, size=(5, 6))
    >>> x_a, x_b = torch.rand(2, 16, 5, 6), torch.rand(2, 16, 5, 6)
    >>> y_a, y_b = afa([x_a, x_b])
    >>> bool(torch.allclose(y_a + y_b, x_a + x_b, atol=1e-6))  # what one gives the other takes
    True
    >>> {name: tuple(gate.shape) for name, gate in afa.gates([x_a, x_b]).items()}
    {'channel': (2, 2, 2, 16, 1, 1), 'spatial': (2, 2, 2, 1, 5, 6)}

    Shen et al., CIKM 2020; see :class:`ChannelAggregation` and :class:`SpatialAggregation` for where it differs.
    """

    def __init__(
        self,
        channels: int,
        tasks: int = 2,
        size: Sequence[int] | None = None,
        *,
        per_task: bool = False,
        limit: float = math.inf,
        protect: Collection[int] | None = None,
    ) -> None:
        super().__init__(channels, tasks, size)
        self.cam = ChannelAggregation(channels, tasks, size, per_task=per_task, limit=limit, protect=protect)
        self.sam = SpatialAggregation(channels, tasks, size, per_task=per_task, limit=limit, protect=protect)
        self.composed = not per_task and limit == math.inf

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        if not self.composed:
            return cast(list[Tensor], self.sam(self.cam(xs)))
        x = xs[0]
        with in_full_precision(x):
            channel = self.cam.excess(xs)
            spatial = self.sam.excess(_describe_mixed(xs, channel))
            a = product(channel.unsqueeze(2).to(x.dtype), spatial.flatten(2).to(x.dtype), like=x)
            return mix(xs, a.view_as(x))

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """CAM's and SAM's gates for these features: (B, to, from, C, 1, 1) and (B, to, from, 1, H, W)."""
        return self.cam.gates(xs) | self.sam.gates(self.cam(xs))


def _grid(size: tuple[int, int]) -> tuple[int, int]:
    shrink = min(1.0, LONGEST_GRID / max(size))
    return max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))


def _gate_matrices(tasks: int, gates: int, hidden: int, per_task: bool) -> nn.Parameter:
    # (self, other) or (to, from), then gates x hidden; each matrix starts as a linear layer of its size would
    matrices = torch.empty(tasks, tasks, gates, hidden) if per_task else torch.empty(2, gates, hidden)
    return nn.Parameter(matrices.uniform_(-(hidden**-0.5), hidden**-0.5))


def _excess(g: Tensor, pair: Tensor, tasks: int) -> Tensor:
    # softmax over two is a sigmoid of the difference, and the difference of two linear maps is one linear map
    with in_full_precision(g):
        w_self = torch.sigmoid(F.linear(g, pair[0] - pair[1]))
    return (tasks * w_self - 1) / (tasks - 1)


def _softmax_over_sources(g: Tensor, matrices: Tensor) -> Tensor:
    with in_full_precision(g):
        return torch.softmax(torch.einsum("br,tsgr->btsg", g, matrices), 2)


def _weights_of(a: Tensor, tasks: int) -> Tensor:
    """(B, N, N, ...) from the excess (B, ...): (1 - a) / N from every source, and a more from the task itself."""
    own = torch.eye(tasks, device=a.device, dtype=a.dtype).reshape(1, tasks, tasks, *[1] * (a.dim() - 1))
    a = a[:, None, None]
    return (1 - a) / tasks + a * own


def _describe_mixed(xs: Sequence[Tensor], a: Tensor) -> Tensor:
    """SAM's descriptor (B, N, H, W) of the tensors that CAM would write, from what goes into CAM and its excess a."""
    _, channels, height, width = xs[0].shape
    a = a.to(xs[0].dtype)
    averages = torch.stack([torch.ones_like(a), a], 1) / channels  # each task's plain mean and its mean under a
    s = torch.stack([product(averages, x.flatten(2), like=x) for x in xs], 1)
    plain, weighted = s.reshape(*s.shape[:3], height, width).unbind(2)
    return weighted + (plain - weighted).mean(1, keepdim=True)
