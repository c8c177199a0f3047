"""Bars and lines as somebody sees them, on an emulated terminal and in a pipe."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .terminals import Seen, run_on_terminal

# Bars one after the other and in one another, lines above them, and words of other packages between.
DRIVER = """
import time, warnings
from afanet import progress
from afanet.progress import Bar, say
progress.PAUSE = 0
LOSSES = {"segmentation": 1.25, "depth": 0.5, "surface normals": 0.125}
say("4 training and 2 test scenes")
with Bar(3, "reading", line="reading 3 samples") as bar:
    for _ in range(3):
        time.sleep(0.01)
        bar.advance()
with Bar(12, "training") as bar:
    for epoch in (1, 2, 3):
        for _ in range(4):
            time.sleep(0.02)
            bar.advance(losses=LOSSES)
        with Bar(2, "scoring") as scoring:
            time.sleep(0.02)
            scoring.advance(2)
        if epoch == 2:
            print("words of another package", flush=True)
            warnings.warn("a warning of another package")
        bar.epoch(epoch, 3, LOSSES, 60.0 * epoch, epoch / 3)
print("the end")
"""
SMALL = """--backbone test_resnet --network.head linear --size 24 32 --epochs 2 --batch-size 2 --workers 0 --device cpu
--data.options.train_scenes 4 --data.options.test_scenes 2"""
EPOCHS = [
    f"epoch {epoch}/3 loss: segmentation 1.2500, depth 0.5000, surface normals 0.1250 ({time})"
    for epoch, time in enumerate(("1 min 0 s, 2 min 0 s left", "2 min 0 s, 1 min 0 s left", "3 min 0 s"), start=1)
]
OTHERS = ["4 training and 2 test scenes", "words of another package", "a warning of another package", "the end"]
BAR = re.compile(r"[━╸╺]|-{5}| \d+/12")


def drive(columns: int, **options: object) -> Seen:
    return run_on_terminal([sys.executable, "-c", DRIVER], columns, **options)  # type: ignore[arg-type]


def assert_every_line_is_there_once(seen: Seen) -> None:
    for line in EPOCHS + OTHERS:
        assert seen.text.count(line) == 1, "\n".join(seen.lines)
    assert seen.status == 0
    assert seen.cursor


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 24), (80, 5)])
def test_lines_are_above_the_bar_and_nothing_is_left_of_it(columns: int, rows: int) -> None:
    seen = drive(columns, rows=rows)
    assert_every_line_is_there_once(seen)
    assert not [line for line in seen.lines if BAR.search(line)]
    assert "reading 3 samples" not in seen.text
    bars = [[line for line in state if BAR.search(line)] for state in seen.states]
    assert any(len(shown) == 2 for shown in bars)  # training, and scoring in it
    for state, shown in zip(seen.states, bars, strict=True):
        assert len([line for line in shown if line.startswith("training")]) <= 1, "\n".join(state)
        assert state[len(state) - len(shown) :] == shown, "\n".join(state)  # at the bottom


def test_many_losses_leave_the_bar_its_line() -> None:
    states = drive(80).states
    drawn = [line for state in states for line in state if line.startswith("training ") and "segmentation" in line]
    assert drawn
    assert all(re.search(r"[━╸╺]{20} +\d+/12 [\d:-]{7} segmentation 1.25", line) for line in drawn)


def test_a_window_made_narrower_keeps_what_was_printed() -> None:
    seen = drive(120, narrower=("epoch 1/3", 80))
    assert "epoch 1/3" in seen.text
    assert all(seen.text.count(line) == 1 for line in EPOCHS[1:])
    assert not [line for line in seen.lines if BAR.search(line)]


def test_without_colour_there_is_none() -> None:
    seen = drive(80, environment={"NO_COLOR": "1"})
    assert_every_line_is_there_once(seen)
    assert any(BAR.search(line) for state in seen.states for line in state)
    assert seen.colours == {"default"}
    assert len(drive(80).colours) > 1


def test_a_terminal_without_control_codes_has_lines_alone() -> None:
    seen = drive(80, environment={"TERM": "dumb"})
    assert_every_line_is_there_once(seen)
    assert seen.text.count("reading 3 samples") == 1
    assert not [line for state in seen.states for line in state if BAR.search(line)]


def test_a_bar_is_of_ascii_where_the_terminal_is() -> None:
    seen = drive(80, environment={"PYTHONIOENCODING": "ascii"})
    assert_every_line_is_there_once(seen)
    assert any("-----" in line for state in seen.states for line in state)
    assert all(line.isascii() for state in seen.states for line in state)


@pytest.mark.parametrize("environment", [{}, {"FORCE_COLOR": "1"}])
def test_in_a_pipe_each_thing_is_a_line(environment: dict[str, str]) -> None:
    variables = os.environ | environment
    done = subprocess.run([sys.executable, "-c", DRIVER], capture_output=True, text=True, env=variables)
    lines = [" ".join(line.split()) for line in done.stderr.splitlines()]
    assert lines[:2] == ["4 training and 2 test scenes", "reading 3 samples"]
    assert [line for line in lines if line.startswith("epoch")] == EPOCHS
    assert done.stdout.splitlines() == ["words of another package", "the end"]
    assert not BAR.search(done.stderr)
    assert "\x1b" not in done.stderr


def test_output_for_a_file_stays_in_it_while_there_is_a_bar(tmp_path: Path) -> None:
    seen = run_on_terminal(["sh", "-c", f"{sys.executable} -c '{DRIVER}' > {tmp_path / 'out'}"], 80)
    assert (tmp_path / "out").read_text() == "words of another package\nthe end\n"
    assert "words of another package" not in seen.text


def test_a_run_on_a_terminal(tmp_path: Path) -> None:
    words = ["train", "rooms", *SMALL.split(), "--out", str(tmp_path / "run")]
    seen = run_on_terminal([sys.executable, "-m", "afanet", *words], 80)
    assert seen.status == 0, "\n".join(seen.lines)
    for epoch in (1, 2):
        assert len(re.findall(rf"epoch {epoch}/2 loss: segmentation \S+ depth \S+ \([^)]+\)", seen.text)) == 1
    assert not [line for line in seen.lines if re.search(r"^(training|scoring|reading) ", line)], "\n".join(seen.lines)
    shown = " ".join(line for state in seen.states for line in state)
    assert "training ━" in shown
    assert "scoring the test split" in shown
