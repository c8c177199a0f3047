"""Several processes learn what one would from the joint batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parent / "scripts" / "joint_step.py"


def run(processes: int, balancing: str, out: Path) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), str(SCRIPT), balancing, str(out)]
    subprocess.run(command, check=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"})


@pytest.mark.parametrize(
    "balancing",
    ["equal", *(pytest.param(name, marks=pytest.mark.slow) for name in ("uw", "random-loss", "upgrad")), "pcgrad"],
)
def test_two_processes_learn_what_one_does_from_the_joint_batch(balancing: str, tmp_path: Path) -> None:
    """Losses over the labels of both, batch norms over the images of both, every weight to 1e-6 after three steps."""
    for processes in (1, 2):
        run(processes, balancing, tmp_path)
    one, first, second = (torch.load(tmp_path / name, weights_only=True) for name in ("1-0.pt", "2-0.pt", "2-1.pt"))
    torch.testing.assert_close(first["losses"], one["losses"], rtol=1e-5, atol=1e-6)
    for name, value in one["state"].items():
        torch.testing.assert_close(first["state"][name], value, rtol=1e-5, atol=1e-6, msg=name)
        assert torch.equal(second["state"][name], first["state"][name]), name
