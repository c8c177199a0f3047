"""What is measured in a process of its own ends with the command that measures, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from afanet.comparison import costs
from afanet.comparison.load import STAT, machine_load
from afanet.recipe.load import load_recipe

SCRIPT = Path(__file__).parent / "scripts" / "measuring.py"


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are looked for in /proc")
@pytest.mark.parametrize(
    ("case", "sent"),
    [
        ("costs", signal.SIGKILL),
        pytest.param("costs", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("loader", signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_no_process_outlives_the_command_that_started_it(case: str, sent: signal.Signals) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = subprocess.Popen([sys.executable, str(SCRIPT), case], stdout=subprocess.PIPE, text=True, env=environment)
    assert command.stdout is not None
    started = int(command.stdout.readline())
    try:
        assert alive(started)
        command.send_signal(sent)
        assert command.wait(30) == -sent
        end = time.monotonic() + 10
        while alive(started) and time.monotonic() < end:
            time.sleep(0.05)
        assert not alive(started)
    finally:
        if alive(started):
            os.kill(started, signal.SIGKILL)


@pytest.mark.skipif(not STAT.is_file(), reason="the load is read from /proc/stat")
def test_the_load_is_that_of_other_work() -> None:
    load = machine_load()
    assert load is not None
    assert load.cores == os.cpu_count()
    assert 0 <= load.busy <= load.cores
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        beside = machine_load()
        busy.kill()
    assert beside is not None
    assert beside.busy > 0.5


def test_where_nothing_says_the_load_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("afanet.comparison.load.STAT", tmp_path / "none")
    monkeypatch.setattr(os, "getloadavg", lambda: (3.5, 1.0, 1.0), raising=False)
    assert machine_load() == (3.5, os.cpu_count() or 1, os.cpu_count() or 1)
    monkeypatch.delattr(os, "getloadavg")
    assert machine_load() is None


def test_a_step_by_weights_that_training_counts_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "ROUNDS", 1)
    recipe = load_recipe(
        "rooms",
        {
            "device": "cpu",
            "batch_size": 2,
            "network.backbone": "test_resnet",
            "network.weights": "none",
            "data.size": [32, 32],
            "data.options.train_scenes": 2,
            "data.options.test_scenes": 1,
            "losses.segmentation.class_weights": "balanced",
        },
    )
    measured = costs._measure(recipe)
    assert measured["costs"]["step_s"] > 0
