"""Batch norms whose statistics are over all processes."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from timm.layers.norm_act import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, nn

from afanet.errors import InputError


class JointBatchNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all processes, for the CPU, where torch's own does not run."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        x = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        axes = (0, 2, 3)
        count = x.new_tensor([x.numel() / x.shape[1]])
        # Each process has its own gradient with respect to these sums, unlike for sums of losses.
        sums = cast(Tensor, _SumOfEach.apply(torch.cat([x.sum(axes), count])))
        elements = sums[-1]
        mean = sums[:-1] / elements
        x = x - mean[:, None, None]  # before squaring: a difference of two squares would lose most digits
        variance = cast(Tensor, _SumOfEach.apply(x.square().sum(axes))) / elements
        if self.running_mean is not None and self.running_var is not None and self.track_running_stats:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
            with torch.no_grad():
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(variance * elements / (elements - 1), momentum)
        scale = (variance + self.eps).rsqrt() * self.weight
        normalised: Tensor = x * scale[:, None, None] + self.bias[:, None, None]
        return normalised.to(input.dtype)


class JointBatchNormAct(JointBatchNorm):
    """`JointBatchNorm` for timm's norms, which end in an activation."""

    def forward(self, input: Tensor) -> Tensor:
        act, drop = cast(nn.Module, self.act), cast(nn.Module, self.drop)
        return cast(Tensor, act(drop(super().forward(input))))


def synchronise_norms(network: nn.Module, device: torch.device) -> nn.Module:
    """Make the batch norms of `network` compute their statistics over all processes; returns the network.

    Raises `InputError` for norms that cannot be synchronised on the CPU.
    """
    if device.type != "cpu":
        synchronised: nn.Module = convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return synchronised
    for name, module in network.named_modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = JointBatchNorm
        elif type(module) is BatchNormAct2d:
            module.__class__ = JointBatchNormAct  # type: ignore[assignment]
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and not isinstance(module, JointBatchNorm):
            raise InputError(
                f"layer '{name}' is a {type(module).__name__}, whose statistics several processes cannot share on the "
                "CPU, expected BatchNorm2d: train with devices 1, or on GPUs"
            )
    return network


class _SumOfEach(torch.autograd.Function):
    """The sum over all processes, where each process has its own gradient with respect to the sum."""

    # Equal bit for bit to torch.distributed.nn.functional.all_reduce, which warns that it is deprecated.

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].clone()
        dist.all_reduce(gradient)
        return gradient
