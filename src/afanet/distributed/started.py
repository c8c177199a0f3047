"""The launcher of this process, and its rank among the processes started with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from afanet.errors import InputError, shown

RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")  # variables that Lightning reads
INTERACTIVE = ("bash", "interactive")  # the names of interactive SLURM jobs, as Lightning knows them


@dataclass(frozen=True)
class Started:
    """One process of `here` on each of `nodes` machines; `rank` is its number among all, counted from 0."""

    launcher: Literal["nobody", "torchrun", "slurm"]
    rank: int = 0
    here: int = 1
    nodes: int = 1

    @property
    def world(self) -> int:
        """The number of processes on all machines."""
        return self.here * self.nodes


def started(environment: Mapping[str, str] = os.environ) -> Started:
    """How this process was started, read from the variables that launchers set.

    torchrun is checked first, since it may run inside a SLURM job. A SLURM job with a single task counts as launched by
    nobody. Raises `InputError` if machines have different numbers of processes, and if a variable is missing or not a
    number.

    >>> started({"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "2", "SLURM_PROCID": "3"})
    Started(launcher='slurm', rank=3, here=2, nodes=2)
    >>> started({"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "bash"})
    Started(launcher='nobody', rank=0, here=1, nodes=1)
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        here, world = _count(environment, "LOCAL_WORLD_SIZE"), _count(environment, "WORLD_SIZE")
        nodes = _count(environment, "GROUP_WORLD_SIZE", 1)
        if here * nodes != world:
            raise InputError(
                f"torchrun started {world} processes on {nodes} nodes, {here} of them on this one: give every node "
                "the same --nproc-per-node"
            )
        return Started("torchrun", _rank(environment, "RANK", world), here, nodes)
    if environment.get("SLURM_JOB_NAME") in INTERACTIVE or "SLURM_PROCID" not in environment:
        return Started("nobody")
    tasks = _count(environment, "SLURM_NTASKS", 1)
    if tasks > 1:
        nodes = _count(environment, "SLURM_NNODES", 1)
        here = _count(environment, "SLURM_NTASKS_PER_NODE", 0)
        if here * nodes != tasks:
            each = f"{here} per node" if here else "without --ntasks-per-node"
            raise InputError(
                f"SLURM has {tasks} tasks on {nodes} nodes, {each}: start with --nodes and --ntasks-per-node, one task "
                "for each device"
            )
        return Started("slurm", _rank(environment, "SLURM_PROCID", tasks), here, nodes)
    return Started("nobody")


def require_connection(process: Started, environment: Mapping[str, str] = os.environ) -> None:
    """Raise `InputError` if a launcher's variables do not say how its processes connect."""
    if process.world > 1 and process.launcher == "torchrun":
        _rank(environment, "LOCAL_RANK", process.here)
        _count(environment, "MASTER_PORT")
        if not environment.get("MASTER_ADDR"):
            raise InputError("the launcher's variable MASTER_ADDR is missing: start again with torchrun")
    elif process.world > 1:
        _rank(environment, "SLURM_LOCALID", process.here)
        _rank(environment, "SLURM_NODEID", process.nodes)


def require_ranks(environment: Mapping[str, str] = os.environ) -> None:
    """Raise `InputError` if a launcher's rank is not a number: Lightning reads the ranks when it is imported.

    >>> require_ranks({"RANK": "3", "SLURM_PROCID": "0"})
    """
    for name in RANKS:
        _count(environment, name, 0)


def _count(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    """The number in a launcher's variable; raises `InputError` if it is not one, or missing without a default."""
    if default is not None and name not in environment:
        return default
    text = environment.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        value = f"is {shown(text)}" if name in environment else "is missing"
        raise InputError(
            f"the launcher's variable {name} {value}, expected a whole number: start again with torchrun or srun, "
            f"or unset {'TORCHELASTIC_RUN_ID' if 'TORCHELASTIC_RUN_ID' in environment else name}"
        )
    return int(text)


def _rank(environment: Mapping[str, str], name: str, world: int) -> int:
    rank = _count(environment, name)
    if rank >= world:
        raise InputError(f"the launcher's variable {name} is {rank}, expected a rank below {world}")
    return rank


def is_main_process() -> bool:
    """Whether this process is the first or the only one: only the main process writes files and prints."""
    return started().rank == 0
