"""When one of several processes ends, all do, with one sentence that says what happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from afanet.cli import main
from afanet.runs.checkpoint import read_checkpoint

SCRIPTS = Path(__file__).parent / "scripts"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
RESUME = "and the others were ended: the same command with --resume goes on from the last checkpoint, if there is one"


def until(true: Callable[[], object], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def alive(process: int) -> bool:
    file = Path(f"/proc/{process}/stat")
    try:
        return file.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(parent: int) -> list[int]:
    """The processes that it started to train, in the order of their ranks."""
    actual = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            of = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if of == parent and b"spawn_main" in (place / "cmdline").read_bytes():
                actual.append(int(place.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return sorted(actual)


def start(*command: object, **options: object) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": ENVIRONMENT}
    return subprocess.Popen([sys.executable, *map(str, command)], **pipes | options)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("sentence", "scene 7 has no depth\n"),
        ("killed", f"process 2 of 2 was killed by signal 9, {RESUME}\n"),
        pytest.param("ended", f"process 2 of 2 ended with status 7, {RESUME}\n", marks=pytest.mark.slow),
    ],
)
def test_it_is_said_once_why_all_ended(case: str, message: str) -> None:
    run = start(SCRIPTS / "launched.py", case)
    out, err = run.communicate(timeout=240)
    assert run.returncode == 2
    assert err == message
    assert not any(alive(int(line.split()[1])) for line in out.splitlines())


@pytest.mark.slow
def test_a_fault_of_the_program_is_shown_once() -> None:
    run = start(SCRIPTS / "launched.py", "bug")
    _, err = run.communicate(timeout=240)
    assert run.returncode == 2
    assert err.count("Traceback") == err.count("ZeroDivisionError: a fault of ours") == 1
    assert err.endswith(f"process 2 of 2 ended with status 1, {RESUME}\n")


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_nobody_is_left_when_the_command_is_stopped(sent: signal.Signals, status: int) -> None:
    run = start(SCRIPTS / "launched.py", "wait", start_new_session=True)
    assert run.stdout is not None
    assert run.stderr is not None
    processes = [int(run.stdout.readline().split()[1]) for _ in range(2)]
    if sent == signal.SIGINT:
        os.killpg(run.pid, sent)  # as a terminal does
    else:
        run.send_signal(sent)
    assert run.wait(60) == status
    until(lambda: not any(map(alive, processes)), 30)
    assert run.stderr.read() == ""


def train(folder: Path, *more: object) -> list[object]:
    sizes = ["--size", 24, 32, "--data.options.train_scenes", 16, "--data.options.test_scenes", 3, "--batch-size", 4]
    network = ["--method", "hard", "--backbone", "test_resnet", "--network.head", "linear", "--workers", 1]
    network += ["--device", "cpu"]
    return ["train", "rooms", *network, *sizes, "--precision", "float32", "--out", folder, *more]


@pytest.mark.slow
def test_a_real_kill_of_one_of_two_loses_nothing_but_time(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`kill -9` of a process that trains: the command ends within a minute, and goes on to the end when told so."""
    folder = tmp_path / "run"
    words = train(folder, "--devices", 2, "--checkpoint-every", 1, "--epochs", 2)
    run = start("-m", "afanet", *words)
    until((folder / "last.ckpt").exists)
    os.kill(children(run.pid)[1], signal.SIGKILL)
    began = time.monotonic()
    out, err = run.communicate(timeout=60)
    assert time.monotonic() - began < 60
    assert run.returncode == 2
    assert out == ""
    message = [line for line in err.splitlines() if not line.startswith(("epoch ", "warning: "))]
    assert message[0] == "rooms: 16 training and 3 test scenes of seed 0, at 24x32"
    assert message[1:] == [f"afanet: error: process 2 of 2 was killed by signal 9, {RESUME}"]
    assert (folder / "last.ckpt").exists()

    assert main([*map(str, words), "--resume"]) == 0
    out, err = capfd.readouterr()
    assert out.count("miou") == 1
    first, then, *epochs, last = [line for line in err.splitlines() if not line.startswith("warning: ")]
    assert first == message[0]
    assert then.startswith("resuming after step ")
    assert epochs[-1].startswith("epoch 2/2")
    assert all(line.startswith("epoch ") for line in epochs)
    assert last == "scoring 3 images of the test split"
    results = json.loads((folder / "metrics.json").read_text())
    assert (results["processes"], results["steps"]) == (2, 8)


@pytest.mark.slow
def test_a_run_of_two_resumes_to_the_same_weights(tmp_path: Path) -> None:
    more = ["--devices", 2, "--epochs", 2, "--checkpoint-every", 3]
    killed = start("-m", "afanet", *train(tmp_path / "killed", *more))
    until((tmp_path / "killed" / "last.ckpt").exists)
    os.kill(children(killed.pid)[0], signal.SIGKILL)
    assert killed.wait(60) == 2
    for folder, resume in (("killed", ["--resume"]), ("whole", [])):
        assert start("-m", "afanet", *train(tmp_path / folder, *more, *resume)).wait(300) == 0
    one, other = (read_checkpoint(tmp_path / name / "last.ckpt")["state_dict"] for name in ("killed", "whole"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.slow
def test_a_command_with_two_processes_finds_what_one_does(tmp_path: Path) -> None:
    """The same batches, an odd number of test scenes, no dropout: every figure to 1e-5 after three steps."""
    steps = ["--steps", 3, "--optimizer.name", "sgd", "--optimizer.lr", 0.01]
    actual = []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        run = start(SCRIPTS / "without_dropout.py", *train(folder, *steps, "--devices", devices))
        _, err = run.communicate(timeout=300)
        assert run.returncode == 0
        assert err.count("epoch ") == 1
        actual.append(json.loads((folder / "metrics.json").read_text())["tasks"])
    for task, figures in actual[0].items():
        assert actual[1][task] == pytest.approx(figures, rel=1e-5, abs=1e-9), task


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_all(tmp_path: Path) -> None:
    run = start(
        "-m", "afanet", *train(tmp_path / "run", "--devices", 2, "--optimizer.lr", 1e30, "--optimizer.name", "sgd")
    )
    _, err = run.communicate(timeout=300)
    assert run.returncode == 2
    errors = [line for line in err.splitlines() if "error" in line]
    assert len(errors) == 1
    assert "Traceback" not in err
    assert "the loss of task" in errors[0]
