"""Several processes that train one network: how they come together, and how they compute as one."""

from __future__ import annotations

import atexit
import logging
from datetime import timedelta
from inspect import signature
from typing import Any, cast

import torch
import torch.distributed as dist
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy
from timm.layers.norm_act import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from afanet import limits
from afanet.distributed.started import Started, started
from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.tasks.across import ALONE, Across

TIMEOUT = timedelta(minutes=10)  # for a step, and for whatever one process does while the others wait


def create_fabric(recipe: Recipe, device: torch.device) -> Fabric:
    """Lightning's Fabric for this device, or for as many as the environment started processes for.

    Raises `InputError` where a machine has fewer devices than processes.
    """
    place = started()
    several = place.world > 1
    if several and device.type != "cpu":
        check_devices(place.here, device)
    # Buffers are not broadcast: batch norms are synchronised, and scoring takes uneven shares of the samples.
    known = signature(DistributedDataParallel).parameters
    buffers: Any = {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)  # they announce what the recipe says
    fabric = Fabric(
        accelerator="gpu" if device.type == "cuda" else device.type,
        devices=[device.index] if device.type == "cuda" and not several else place.here,
        num_nodes=place.nodes,
        strategy=DDPStrategy(timeout=TIMEOUT, **buffers) if several else "auto",
        precision="bf16-mixed" if recipe.precision == "bf16" else "32-true",
        plugins=[_environment(place)],  # told, since what Lightning finds out by itself it may warn of
    )
    fabric.launch()
    if several:
        atexit.register(_leave)
    return fabric


def _leave() -> None:
    """Leave the others in good order: gloo's threads, left running, can abort a process that has done its work."""
    if dist.is_initialized():
        dist.destroy_process_group()


def _environment(place: Started) -> ClusterEnvironment:
    if place.world == 1:
        return LightningEnvironment()
    return SLURMEnvironment(auto_requeue=False) if place.by == "slurm" else TorchElasticEnvironment()


def to_launch(recipe: Recipe, device: torch.device) -> int:
    """How many processes are to be started here: none where one is enough, or where a launcher has started them.

    Raises `InputError` where that is not what the recipe says, for devices that are not there, and for more processes,
    of loaders too, than this machine bears.
    """
    place = started()
    _check_processes(recipe, place.here if place.world > 1 else recipe.devices)
    if recipe.devices > 1 and place.world > 1 and recipe.devices != place.world:
        name = "SLURM" if place.by == "slurm" else "torchrun"
        raise InputError(
            f"devices is {recipe.devices}, and {name} started {place.world} processes: give --devices {place.world} "
            "or 1, which leaves it to the launcher"
        )
    if recipe.devices == 1 or place.world > 1:
        return 0
    if device.type != "cpu":
        if recipe.device not in ("auto", "cuda"):
            raise InputError(f"device '{recipe.device}' is one device, and devices is {recipe.devices}: give cuda")
        check_devices(recipe.devices, device)
    return recipe.devices


def _check_processes(recipe: Recipe, here: int) -> None:
    most, machine = limits.most_processes(), f"more than a machine of {limits.cores()} cores bears"
    if here > most:
        raise InputError(f"devices is {here}, {machine}: give --devices {most} or fewer")
    if here * recipe.workers > most:
        each = f" for each of {here} processes" if here > 1 else ""
        raise InputError(f"workers is {recipe.workers}{each}, {machine}: give --workers {most // here} or fewer")


def check_devices(processes: int, device: torch.device) -> None:
    """Raise `InputError` unless this machine has a device of this kind for each of so many processes."""
    if device.type != "cuda":
        raise InputError(f"several processes train on cuda or cpu, not on {device.type}: give --device cpu")
    if processes > (count := torch.cuda.device_count()):
        raise InputError(
            f"{processes} processes want a CUDA device each and can see {count}: start as many as there are devices, "
            "all of which every process must see (in SLURM --gres=gpu:N, not --gpus-per-task)"
        )


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
        x = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        axes = (0, 2, 3)
        count = x.new_tensor([x.numel() / x.shape[1]])
        # Every process has a gradient of its own for these sums, unlike for the sums of losses.
        sums = cast(Tensor, _SumOfEach.apply(torch.cat([x.sum(axes), count])))
        elements = sums[-1]
        mean = sums[:-1] / elements
        x = x - mean[:, None, None]  # before squaring: the difference of two squares would lose most digits
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
    """The same of timm's norms, which end in an activation."""

    def forward(self, input: Tensor) -> Tensor:
        act, drop = cast(nn.Module, self.act), cast(nn.Module, self.drop)
        return cast(Tensor, act(drop(super().forward(input))))


def synchronise_norms(network: nn.Module, device: torch.device) -> nn.Module:
    """`network` with batch norms whose statistics are those of all processes together.

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
                f"layer '{name}' is a {type(module).__name__}, whose statistics cannot be had over several processes "
                "on the CPU, expected BatchNorm2d: train with devices 1, or on GPUs"
            )
    return network
