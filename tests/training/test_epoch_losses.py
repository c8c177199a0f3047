"""The losses of an epoch, each over the batches in which its task has a label."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from afanet.data import Batch
from afanet.recipe.schema import Recipe
from afanet.training.epoch_losses import EpochLosses
from afanet.training.learner import Learner
from afanet.training.loop import Loop
from afanet.training.run import train

CPU = torch.device("cpu")
BATCH = st.lists(st.none() | st.floats(0, 8, width=32), min_size=3, max_size=3)  # a loss of each task, None unlabelled
STEP = st.lists(BATCH, min_size=2, max_size=2)  # of two batches


def add(losses: EpochLosses, step: list[list[float | None]]) -> None:
    values = torch.tensor([[loss or 0.0 for loss in batch] for batch in step])
    labelled = torch.tensor([[float(loss is not None) for loss in batch] for batch in step])
    losses.add(values.mean(0), labelled.sum(0), len(step))


@given(st.lists(STEP, min_size=1, max_size=6), st.integers(0, 6))
def test_each_is_the_mean_over_its_own_batches_wherever_a_run_goes_on(
    steps: list[list[list[float | None]]], interrupted: int
) -> None:
    losses = EpochLosses(3, CPU)
    for number, step in enumerate(steps):
        if number == interrupted:
            kept, losses = losses.state().clone(), EpochLosses(3, CPU)
            losses.load_state(kept)
        add(losses, step)
    count, means = losses.finish()
    assert count == len(steps)
    for task, mean in enumerate(means):
        own = [loss for step in steps for batch in step if (loss := batch[task]) is not None]
        expected = math.fsum(own) / len(own) if own else math.nan
        assert mean == pytest.approx(expected, rel=1e-5, abs=1e-6, nan_ok=True)
    assert losses.finish()[0] == 0


def test_a_step_that_was_skipped_does_not_count() -> None:
    losses = EpochLosses(2, CPU)
    losses.add(torch.tensor([2.0, 1.0]), torch.ones(2), 1)
    losses.add(torch.tensor([4.0, math.nan]), torch.ones(2), 1)
    assert losses.finish() == (1, [2.0, 1.0])


def test_the_sums_of_an_older_checkpoint_go_on() -> None:
    losses = EpochLosses(2, CPU)
    losses.load_state(torch.tensor([6.0, 3.0, 3.0]))  # of two tasks, over three steps
    losses.add(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.0]), 1)
    assert losses.finish() == (4, [2.0, 1.0])


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_task_with_few_labels_has_its_true_loss_in_the_log(
    accumulate: int, small: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Depth has a label in the first and the fourth batch of the first epoch, and in none of the second."""
    told: list[float] = []
    losses, calls = Learner.losses, list[int]()

    def spy(self: Learner, batch: Batch, *arguments: Any) -> list[Tensor]:
        values = losses(self, batch, *arguments)
        if self.tasks["depth"].labelled(batch["targets"]["depth"]).any():
            told.append(values[1].item())
        return values

    batches = Loop._batches

    def few(self: Loop) -> Iterator[list[Batch]]:
        for several in batches(self):
            for batch in several:
                calls.append(1)
                if len(calls) not in (1, 4):
                    batch["targets"]["depth"] = torch.zeros_like(batch["targets"]["depth"])
            yield several

    monkeypatch.setattr(Learner, "losses", spy)
    monkeypatch.setattr(Learner, "cosines", lambda self, batch: {})
    monkeypatch.setattr(Loop, "_batches", few)
    train(small(batch_size=2, **{"optimizer.accumulate": accumulate}), tmp_path / "run")
    with (tmp_path / "run" / "log.csv").open() as stream:
        first, second = csv.DictReader(stream)
    assert len(told) == 2
    assert float(first["loss/depth"]) == pytest.approx(sum(told) / 2, rel=1e-5)
    assert float(first["loss"]) == pytest.approx(float(first["loss/depth"]) + float(first["loss/segmentation"]))
    assert second["loss/depth"] == "nan"
    assert float(second["loss"]) == pytest.approx(float(second["loss/segmentation"]))
    assert "epoch 2 had no label of task 'depth', so the task has no loss there" in capsys.readouterr().err
