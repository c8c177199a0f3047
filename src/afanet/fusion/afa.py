"""The AFA layer: adaptive feature aggregation, channel by channel and then pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor

from afanet.fusion.base import Fusion, Guarded, in_full_precision, without
from afanet.fusion.channel import ChannelAggregation
from afanet.fusion.mix import means_over_channels, mix, product
from afanet.fusion.spatial import SpatialAggregation


class AFA(Fusion):
    r"""The adaptive feature aggregation layer: CAM, then SAM.

    Two mixes in a row with shared gates are one mix. With :math:`\bar x` the mean of the N tensors, each mix is
    :math:`y_i = \bar x + a (x_i - \bar x)`, a = w_self - w_other / (N - 1). It leaves :math:`\bar x` unchanged, so

    .. math:: y_i = \bar x + a_{CAM} \, a_{SAM} \, (x_i - \bar x),

    and SAM's descriptor of CAM's output follows from x and a_CAM without writing that output to memory. The layer
    computes this form. With a guard or with ``per_task`` gates, CAM and SAM run one after the other instead, each with
    its own guard.

    Args:
        channels, tasks, limit, protect, readers: see :class:`~afanet.fusion.Fusion`.
        size: (H, W) of the features, required by SAM.
        per_task: give every task its own gates over all N sources, at a cost of N squared.
        alive: start from weights before SAM's gates that leave no gate dead, see :class:`SpatialAggregation`.

    >>> import torch
    >>> afa = AFA(channels=16, tasks=2, size=(5, 6))
    >>> x_a, x_b = torch.rand(2, 16, 5, 6), torch.rand(2, 16, 5, 6)
    >>> y_a, y_b = afa([x_a, x_b])
    >>> bool(torch.allclose(y_a + y_b, x_a + x_b, atol=1e-6))  # what one task gives, the other takes
    True
    >>> {name: tuple(gate.shape) for name, gate in afa.gates([x_a, x_b]).items()}
    {'channel': (2, 2, 2, 16, 1, 1), 'spatial': (2, 2, 2, 1, 5, 6)}

    Shen et al., CIKM 2020; :class:`ChannelAggregation` and :class:`SpatialAggregation` list the differences.
    """

    mixes_by_gates = True

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
        super().__init__(channels, tasks, size, readers=guard.pop("readers", None))
        self.cam = ChannelAggregation(channels, tasks, size, per_task=per_task, **guard)
        self.sam = SpatialAggregation(channels, tasks, size, per_task=per_task, alive=alive, **guard)
        self.composed = not per_task and self.cam.guard is None

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return AFA.fuse_tokens(self, xs, ())

    def fuse_prefix(self, xs: Sequence[Tensor], prefix: Sequence[Tensor]) -> list[Tensor]:
        """Class and register tokens mixed by CAM's gates, computed from the patches; SAM's gates need pixels."""
        return AFA.fuse_tokens(self, xs, prefix)[self.tasks :]

    def fuse_tokens(self, xs: Sequence[Tensor], prefix: Sequence[Tensor]) -> list[Tensor]:
        if not self.composed:
            mixed = self.cam(xs, prefix)
            return [*self.sam(mixed[: self.tasks]), *mixed[self.tasks :]]
        x = xs[0]
        with in_full_precision(x):
            channel = self.cam.excess(xs)
            spatial = self.sam.excess(_describe_mixed(xs, channel))
            a = product(channel.unsqueeze(2).to(x.dtype), spatial.flatten(2).to(x.dtype), like=x)
            fused = mix(xs, a.view_as(x))
            return [*fused, *mix(prefix, channel[..., None, None])] if prefix else fused

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """CAM's and SAM's gates for these features: (B, to, from, C, 1, 1) and (B, to, from, 1, H, W)."""
        return self.cam.gates(xs) | self.sam.gates(self.cam(xs))

    def hidden(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """CAM's and SAM's hidden units g for these features: (B, r) and (B, HW of SAM's grid)."""
        return self.cam.hidden(xs) | self.sam.hidden(self.cam(xs))

    def cut(self, xs: Sequence[Tensor], to: int, source: int) -> list[Tensor]:
        """The outputs if `to` got its own features instead of those of `source`, under the same gates."""
        gates = self.gates(xs)
        weights = (gates["spatial"][:, to] * gates["channel"][:, :, source]).sum(1)  # over tasks between CAM and SAM
        return without(xs, self(xs), weights, to, source)


def _describe_mixed(xs: Sequence[Tensor], a: Tensor) -> Tensor:
    """SAM's descriptor (B, N, H, W) of CAM's output, computed from CAM's inputs xs and its excess a."""
    _, channels, height, width = xs[0].shape
    a = a.to(xs[0].dtype)
    weights = torch.stack([torch.ones_like(a), a], 1) / channels  # of each task's plain mean and its mean under a
    s = torch.stack(means_over_channels(xs, weights), 1)
    plain, weighted = s.reshape(*s.shape[:3], height, width).unbind(2)
    return weighted + (plain - weighted).mean(1, keepdim=True)
