"""Sums, maxima and means over the processes that train one network."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from lightning.fabric import Fabric
from torch import Tensor

from afanet.tasks.across import ALONE, Across


def across(fabric: Fabric) -> Across:
    """The sums over all processes that train together."""
    return ALONE if fabric.world_size == 1 else Joint()


def average(values: Tensor) -> Tensor:
    """The mean of `values` over all processes, in place."""
    if dist.is_initialized():
        dist.all_reduce(values)
        values /= dist.get_world_size()
    return values


class Joint(Across):
    """Sums and maxima over all processes.

    DDP averages the gradients of W processes, each of which computes the same loss from the same sums; so the gradient
    of a sum is W times what arrives, and parameters get the gradient of the joint batch.
    """

    def sum(self, values: Tensor) -> Tensor:
        """The sum of `values` over the processes."""
        return cast(Tensor, _Sum.apply(values))

    def max(self, values: Tensor) -> Tensor:
        """The maximum of `values` over the processes, without a gradient."""
        highest = values.detach().clone()
        dist.all_reduce(highest, dist.ReduceOp.MAX)
        return highest


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * dist.get_world_size()
