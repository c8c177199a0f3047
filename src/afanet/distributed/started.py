"""The launcher of this process, and its rank among the processes started with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from afanet.errors import InputError

INTERACTIVE = ("bash", "interactive")  # names of interactive SLURM jobs, as in Lightning


@dataclass(frozen=True)
class Started:
    """One of `here` processes on each of `nodes` machines, the `rank`-th of all, counted from 0."""

    launcher: Literal["nobody", "torchrun", "slurm"]
    rank: int = 0
    here: int = 1
    nodes: int = 1

    @property
    def world(self) -> int:
        """The number of processes."""
        return self.here * self.nodes


def started(environment: Mapping[str, str] = os.environ) -> Started:
    """How this process was started, by the variables that launchers set.

    torchrun comes first, since it may run inside a SLURM job; a single task of SLURM's is like a process that nobody
    launched. Raises `InputError` where machines have different numbers of processes.

    >>> started({"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "2", "SLURM_PROCID": "3"})
    Started(launcher='slurm', rank=3, here=2, nodes=2)
    >>> started({"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "bash"})
    Started(launcher='nobody', rank=0, here=1, nodes=1)
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        here, world = int(environment["LOCAL_WORLD_SIZE"]), int(environment["WORLD_SIZE"])
        nodes = int(environment.get("GROUP_WORLD_SIZE", 1))
        if here * nodes != world:
            raise InputError(
                f"torchrun started {world} processes on {nodes} nodes, {here} of them on this one: give every node "
                "the same --nproc-per-node"
            )
        return Started("torchrun", int(environment["RANK"]), here, nodes)
    tasks = int(environment.get("SLURM_NTASKS", 1))
    if tasks > 1 and "SLURM_PROCID" in environment and environment.get("SLURM_JOB_NAME") not in INTERACTIVE:
        nodes = int(environment.get("SLURM_NNODES", 1))
        here = int(environment.get("SLURM_NTASKS_PER_NODE", 0))
        if here * nodes != tasks:
            each = f"{here} a node" if here else "without --ntasks-per-node"
            raise InputError(
                f"SLURM has {tasks} tasks on {nodes} nodes, {each}: start with --nodes and --ntasks-per-node, one task "
                "for each device"
            )
        return Started("slurm", int(environment["SLURM_PROCID"]), here, nodes)
    return Started("nobody")


def is_main_process() -> bool:
    """Whether this process is the first of all, or the only one: it alone writes files and prints."""
    return started().rank == 0
