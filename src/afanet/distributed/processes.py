"""Several processes that train one network: how many are started, and how they connect."""

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
from afanet.distributed.started import Started, require_connection, started
from afanet.errors import InputError
from afanet.recipe.schema import Recipe

TIMEOUT = timedelta(minutes=10)  # for a step, and for anything that one process does while the others wait


def create_fabric(recipe: Recipe, device: torch.device) -> Fabric:
    """Lightning's Fabric for this device, or with one device for each process that a launcher started.

    Raises `InputError` if the machine has fewer devices than processes.
    """
    process = started()
    several = process.world > 1
    if several and device.type != "cpu":
        check_devices(process.here, device)
    # Buffers are not broadcast: batch norms are synchronised already, and scoring splits samples unevenly.
    known = signature(DistributedDataParallel).parameters
    buffers: Any = {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)  # they repeat what the recipe says
    fabric = Fabric(
        accelerator="gpu" if device.type == "cuda" else device.type,
        devices=[device.index] if device.type == "cuda" and not several else process.here,
        num_nodes=process.nodes,
        strategy=DDPStrategy(timeout=TIMEOUT, **buffers) if several else "auto",
        precision="bf16-mixed" if recipe.precision == "bf16" else "32-true",
        plugins=[_environment(process)],  # explicit, since Lightning may warn about its own guess
    )
    fabric.launch()
    if several:
        atexit.register(_leave)
    return fabric


def _leave() -> None:
    """Leave the process group: if gloo's threads keep running, they can abort a process that has finished."""
    if dist.is_initialized():
        dist.destroy_process_group()


def _environment(process: Started) -> ClusterEnvironment:
    if process.world == 1:
        return LightningEnvironment()
    return SLURMEnvironment(auto_requeue=False) if process.launcher == "slurm" else TorchElasticEnvironment()


def to_launch(recipe: Recipe, device: torch.device) -> int:
    """The number of processes to start here: 0 if this one is enough, or if a launcher has started them.

    Raises `InputError` if the launcher contradicts the recipe, for devices that do not exist, and for more processes
    (including those of loaders) than this machine can run.
    """
    process = started()
    require_connection(process)
    _check_processes(recipe, process.here if process.world > 1 else recipe.devices)
    if recipe.devices > 1 and process.world > 1 and recipe.devices != process.world:
        name = "SLURM" if process.launcher == "slurm" else "torchrun"
        raise InputError(
            f"devices is {recipe.devices}, but {name} started {process.world} processes: "
            f"give --devices {process.world}, or 1, which leaves the number to the launcher"
        )
    if recipe.devices == 1 or process.world > 1:
        return 0
    if device.type != "cpu":
        if recipe.device not in ("auto", "cuda"):
            raise InputError(f"device '{recipe.device}' is one device, but devices is {recipe.devices}: give cuda")
        check_devices(recipe.devices, device)
    return recipe.devices


def _check_processes(recipe: Recipe, here: int) -> None:
    most, machine = limits.most_processes(), f"more than a machine with {limits.cores()} cores can run"
    if here > most:
        raise InputError(f"devices is {here}, {machine}: give --devices {most} or fewer")
    if here * recipe.workers > most:
        each = f" for each of {here} processes" if here > 1 else ""
        raise InputError(f"workers is {recipe.workers}{each}, {machine}: give --workers {most // here} or fewer")


def check_devices(processes: int, device: torch.device) -> None:
    """Raise `InputError` unless this machine has a device of this kind for each of `processes`."""
    if device.type != "cuda":
        raise InputError(f"several processes train on cuda or cpu, not on {device.type}: give --device cpu")
    if processes > (count := torch.cuda.device_count()):
        raise InputError(
            f"{processes} processes need a CUDA device each, but see {count}: start one process per device, and let "
            "every process see all devices (in SLURM --gres=gpu:N, not --gpus-per-task)"
        )
