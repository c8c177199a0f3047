"""Several processes that train one network: how they compute as one, how they start, and what is said when one dies."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable
from datetime import timedelta
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
import torch.distributed as dist
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from afanet.errors import InputError
from afanet.tasks.across import ALONE, Across
from afanet.training.recipe import Recipe

TIMEOUT = timedelta(minutes=10)  # for a step, and for whatever one process does while the others wait


def create_fabric(recipe: Recipe, device: torch.device) -> Fabric:
    """Lightning's Fabric for this device, or for as many as the environment started processes for."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    nodes = int(os.environ.get("GROUP_WORLD_SIZE", 1))
    # Buffers are not broadcast: batch norms are synchronised, and scoring takes uneven shares of the samples.
    known = signature(DistributedDataParallel).parameters
    buffers: Any = {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}
    strategy: Any = DDPStrategy(timeout=TIMEOUT, **buffers) if here * nodes > 1 else "auto"
    devices: Any = here if here * nodes > 1 or device.type != "cuda" else [device.index]
    for package in ("fabric", "pytorch"):  # they announce what the recipe says
        logging.getLogger(f"lightning.{package}.utilities.rank_zero").setLevel(logging.ERROR)
    fabric = Fabric(
        accelerator="gpu" if device.type == "cuda" else device.type,
        devices=devices,
        num_nodes=nodes,
        strategy=strategy,
        precision="bf16-mixed" if recipe.precision == "bf16" else "32-true",
    )
    fabric.launch()
    return fabric


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


class _SumOfEach(torch.autograd.Function):
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


def across(fabric: Fabric) -> Across:
    """How this process sums over all that train with it."""
    return ALONE if fabric.world_size == 1 else Joint()


def average(values: Tensor) -> Tensor:
    """The mean of `values` over all processes, in place."""
    if dist.is_initialized():
        dist.all_reduce(values)
        values /= dist.get_world_size()
    return values


class JointBatchNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all processes, where torch's own is not to be had: on the CPU."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        x = input.float()
        axes = (0, 2, 3)
        count = x.new_tensor([x.numel() / x.shape[1]])
        local = torch.cat([x.sum(axes), x.square().sum(axes), count])
        # Every process has a gradient of its own for these sums, unlike for the sums of losses.
        sums = cast(Tensor, _SumOfEach.apply(local))
        total, square, elements = sums[: x.shape[1]], sums[x.shape[1] : -1], sums[-1]
        mean = total / elements
        variance = (square / elements - mean.square()).clamp(min=0)
        if self.running_mean is not None and self.running_var is not None and self.track_running_stats:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
            with torch.no_grad():
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(variance * elements / (elements - 1), momentum)
        scale = (variance + self.eps).rsqrt() * self.weight
        shift = self.bias - mean * scale
        normalised: Tensor = x * scale[:, None, None] + shift[:, None, None]
        return normalised.to(input.dtype)


def synchronise_norms(network: nn.Module, device: torch.device) -> nn.Module:
    """`network` with batch norms whose statistics are those of all processes together.

    Raises `InputError` for norms that cannot be synchronised on the CPU.
    """
    if device.type != "cpu":
        synchronised: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return synchronised
    for name, module in network.named_modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = JointBatchNorm
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and not isinstance(module, JointBatchNorm):
            raise InputError(
                f"layer '{name}' is a {type(module).__name__}, whose statistics cannot be had over several processes "
                "on the CPU, expected BatchNorm2d: train with devices 1, or on GPUs"
            )
    return network


def started_by_a_launcher() -> bool:
    """Whether this is one of several processes that torchrun or SLURM has started."""
    return "LOCAL_WORLD_SIZE" in os.environ or "SLURM_PROCID" in os.environ


def launch(work: Callable[..., None], count: int, *arguments: Any) -> None:
    """Call `work(*arguments)` in `count` new processes that can speak with each other, and wait for them.

    Raises `InputError` where one of them did, with its sentence, and where one died; the others are then ended.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        max_restarts=0,
        monitor_interval=0.5,
        local_addr="127.0.0.1",
        run_id=str(os.getpid()),
    )
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    with TemporaryDirectory() as place:
        sentences = Path(place)
        try:
            elastic_launch(config, _work)(sentences, work, *arguments)
        except ChildFailedError as error:
            for file in sorted(sentences.iterdir()):
                raise InputError(file.read_text(encoding="utf-8")) from None
            rank, failure = next(iter(error.failures.items()))
            how = f"by signal {-failure.exitcode}" if failure.exitcode < 0 else f"with status {failure.exitcode}"
            raise InputError(
                f"process {rank + 1} of {count} ended {how} and the others with it: the same command with --resume "
                "goes on from the last checkpoint"
            ) from None


def _work(sentences: Path, work: Callable[..., None], *arguments: Any) -> None:
    try:
        work(*arguments)
    except InputError as error:
        (sentences / os.environ["RANK"]).write_text(str(error), encoding="utf-8")
        raise SystemExit(2) from None
    except Exception:
        traceback.print_exc()
        raise
