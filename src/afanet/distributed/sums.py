"""Sums, maxima and means over the processes that train one network."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from lightning.fabric import Fabric
from torch import Tensor

from afanet.tasks.across import ALONE, Across


def across(fabric: Fabric) -> Across:
    """How to sum over all processes that train together."""
    return ALONE if fabric.world_size == 1 else Joint()


def average(values: Tensor) -> Tensor:
    """Replace `values` in place by their mean over all processes, and return them."""
    if dist.is_initialized():
        dist.all_reduce(values)
        values /= dist.get_world_size()
    return values


class Joint(Across):
    """Sums and maxima over all processes.

    All W processes compute the same loss from the same sums, and DDP averages their gradients. So the backward pass of
    a sum multiplies the gradient by W, and parameters get the gradient of the joint batch.
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
