"""Who started this process is told by the variables that launchers set, before anything is connected."""

from __future__ import annotations

import pytest

from afanet.distributed.started import Started, started
from afanet.errors import InputError

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "x",
    "RANK": "5",
    "LOCAL_WORLD_SIZE": "4",
    "WORLD_SIZE": "8",
    "GROUP_WORLD_SIZE": "2",
}
SLURM = {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "2", "SLURM_PROCID": "3"}
ALONE = Started("nobody")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ALONE),
        (TORCHRUN, Started("torchrun", 5, 4, 2)),
        (TORCHRUN | SLURM, Started("torchrun", 5, 4, 2)),
        (SLURM, Started("slurm", 3, 2, 2)),
        (SLURM | {"SLURM_JOB_NAME": "interactive"}, ALONE),
        (SLURM | {"SLURM_JOB_NAME": "bash"}, ALONE),
        ({"SLURM_NTASKS": "2"}, ALONE),  # the shell of an allocation
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, ALONE),
        ({"RANK": "1", "WORLD_SIZE": "2"}, ALONE),  # no launcher that is known here
    ],
)
def test_launchers_are_told_apart(variables: dict[str, str], expected: Started) -> None:
    assert started(variables) == expected


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (TORCHRUN | {"WORLD_SIZE": "7"}, "torchrun started 7 processes on 2 nodes, 4 of them on this one: give every"),
        (SLURM | {"SLURM_NTASKS": "3"}, "SLURM has 3 tasks on 2 nodes, 2 per node: start with"),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, "SLURM has 2 tasks on 1 nodes, without --ntasks-per-node: start"),
    ],
)
def test_uneven_nodes_are_refused(variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        started(variables)
