"""Several processes that train one network: how many there are, and how they come together."""

from __future__ import annotations

import atexit
import logging
from datetime import timedelta
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy
from torch.nn.parallel import DistributedDataParallel

from afanet import limits
from afanet.distributed.started import Started, started
from afanet.errors import InputError
from afanet.recipe.schema import Recipe

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
