"""Several processes learn what one would from the joint batch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from afanet.distributed.processes import to_launch
from afanet.errors import InputError
from afanet.recipe.schema import Recipe

from .scripts.joint_step import learn

SCRIPT = Path(__file__).parent / "scripts" / "joint_step.py"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def run_two(out: Path, *cases: str) -> None:
    """Two processes, started once, learn each case."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([sys.executable, *launcher, str(SCRIPT), str(out), *cases], check=True, timeout=240, env=ENVIRONMENT)


def assert_alike(out: Path, case: str) -> None:
    """What two processes learnt of a case is what one does, every number of it, and the same in both."""
    learn(case, out)
    one, first, second = (torch.load(out / f"{case}-{of}.pt", weights_only=True) for of in ("1-0", "2-0", "2-1"))
    torch.testing.assert_close(first["losses"], one["losses"], rtol=1e-5, atol=1e-6, equal_nan=True)
    assert torch.equal(first["labelled"], one["labelled"])
    for name, value in one["state"].items():
        torch.testing.assert_close(first["state"][name], value, rtol=1e-5, atol=1e-6, msg=name)
        assert torch.equal(second["state"][name], first["state"][name]), name


FAST = ("equal", "pcgrad", "thawing", "taught")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes learnt of the fast cases."""
    out = tmp_path_factory.mktemp("two")
    run_two(out, *FAST)
    return out


@pytest.mark.parametrize("case", FAST)
def test_two_processes_learn_what_one_does_from_the_joint_batch(case: str, two: Path) -> None:
    """Losses over the labels of both, batch norms over the images of both, every weight to 1e-6 after three steps."""
    assert_alike(two, case)


@pytest.mark.slow
def test_two_processes_learn_what_one_does_of_every_kind(tmp_path: Path) -> None:
    cases = ("uw", "random-loss", "upgrad", "gradnorm", "famo", "unlabelled", "unlabelled-pcgrad")
    cases += ("accumulated", "averaged", "clipped", "skipped")
    run_two(tmp_path, *cases)
    for case in cases:
        assert_alike(tmp_path, case)


def free_port() -> str:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return str(place.getsockname()[1])


def start_all(variables: list[dict[str, str]], out: Path) -> None:
    """Run the script once for each set of variables, all at once, as a launcher on so many machines would."""
    command = [sys.executable, str(SCRIPT), str(out), "equal"]
    started = [subprocess.Popen(command, env=ENVIRONMENT | more) for more in variables]
    assert [process.wait(240) for process in started] == [0] * len(started)


@pytest.mark.slow
@pytest.mark.parametrize(("nodes", "here"), [(1, 2), (2, 1)])
def test_tasks_of_slurm_train_together(nodes: int, here: int, tmp_path: Path) -> None:
    """As srun starts them: nothing but its variables, address and port given since this machine is no node of SLURM."""
    job = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": str(here), "SLURM_NNODES": str(nodes), "SLURM_JOB_ID": "7"}
    job |= {"SLURM_JOB_NAME": "train", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    tasks = [(rank // here, rank % here) for rank in range(2)]
    start_all(
        [
            job | {"SLURM_PROCID": str(rank), "SLURM_NODEID": str(node), "SLURM_LOCALID": str(local)}
            for rank, (node, local) in enumerate(tasks)
        ],
        tmp_path,
    )
    assert_alike(tmp_path, "equal")


@pytest.mark.slow
def test_torchrun_on_two_nodes(tmp_path: Path) -> None:
    """Two agents that find each other, a process each."""
    place = f"--rdzv-endpoint=127.0.0.1:{free_port()}"
    launcher = [
        "torch.distributed.run",
        "--nnodes=2",
        "--nproc-per-node=1",
        "--rdzv-backend=c10d",
        "--rdzv-id=1",
        place,
    ]
    command = [sys.executable, "-m", *launcher, "--local-addr=127.0.0.1", str(SCRIPT), str(tmp_path), "equal"]
    agents = [subprocess.Popen(command, env=ENVIRONMENT) for _ in range(2)]
    assert [agent.wait(240) for agent in agents] == [0, 0]
    assert_alike(tmp_path, "equal")


def test_how_many_processes_are_to_be_started(small: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    assert to_launch(small(), cpu) == 0
    assert to_launch(small(devices=2), cpu) == 2
    with pytest.raises(InputError, match="2 processes need a CUDA device each, but see 0"):
        to_launch(small(devices=2, device="cuda"), torch.device("cuda:0"))
    with pytest.raises(InputError, match="device 'cuda:1' is one device, but devices is 2: give cuda"):
        to_launch(small(devices=2, device="cuda:1"), torch.device("cuda:1"))
    variables = {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "2"}
    variables |= {"LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert to_launch(small(), cpu) == to_launch(small(devices=2), cpu) == 0
    with pytest.raises(InputError, match="devices is 3, but torchrun started 2 processes: give --devices 2, or 1"):
        to_launch(small(devices=3), cpu)


def test_no_more_processes_are_started_than_the_machine_bears(
    small: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr("afanet.limits.cores", lambda: 1)
    assert to_launch(small(workers=16), cpu) == 0
    assert to_launch(small(workers=8, devices=2), cpu) == 2
    for workers in (17, 10**9):
        with pytest.raises(InputError, match=f"^workers is {workers}, .*give --workers 16 or fewer$"):
            to_launch(small(workers=workers), cpu)
    with pytest.raises(InputError, match=r"^workers is 9 for each of 2 processes, .*give --workers 8 or fewer$"):
        to_launch(small(workers=9, devices=2), cpu)
    with pytest.raises(InputError, match=r"^devices is 1000000000, .*give --devices 16 or fewer$"):
        to_launch(small(workers=0, devices=10**9), cpu)
    monkeypatch.setattr("afanet.limits.cores", lambda: 64)
    assert to_launch(small(workers=256), cpu) == 0
    with pytest.raises(InputError, match="give --workers 256 or fewer"):
        to_launch(small(workers=257), cpu)
