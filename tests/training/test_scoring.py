"""Scores over a split, and when they are none."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from afanet.distributed.processes import create_fabric
from afanet.recipe.schema import Recipe
from afanet.runs.setup import open_tasks
from afanet.tasks import Task
from afanet.training.scoring import Scored, score

Change = Callable[[dict[str, Tensor]], None]


class Answers(nn.Module):
    """Zeros as logits, changed in the batch with a number."""

    def __init__(self, tasks: dict[str, Task], batch: int, change: Change) -> None:
        super().__init__()
        self.tasks, self.batch, self.change, self.calls = tasks, batch, change, 0

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        size = (len(images), images.shape[2], images.shape[3])
        logits = {name: images.new_zeros(size[0], task.output.channels, *size[1:]) for name, task in self.tasks.items()}
        if self.calls == self.batch:
            self.change(logits)
        self.calls += 1
        return logits


def scored(recipe: Recipe, batch: int, change: Change) -> Scored:
    data, tasks = open_tasks(recipe)
    fabric = create_fabric(recipe, torch.device("cpu"))
    return score(fabric, Answers(tasks, batch, change), tasks, data, data.test, recipe)


def test_finite_outputs_have_scores_and_no_fault(recipe: Recipe) -> None:
    actual = scored(recipe, 0, lambda logits: None)
    assert actual.fault is None
    assert all(math.isfinite(value) for scores in actual.scores.values() for value in scores.values())


@pytest.mark.parametrize("batch", [0, 1])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["segmentation", "depth"])
def test_one_output_that_is_not_finite_takes_the_scores_of_its_task(
    name: str, value: float, batch: int, recipe: Recipe
) -> None:
    actual = scored(recipe, batch, lambda logits: logits[name].view(-1)[:1].fill_(value))
    metric = {"segmentation": "miou", "depth": "abs"}[name]
    assert actual.fault == f"task '{name}' has no {metric}, because its outputs are not finite"
    for task, scores in actual.scores.items():
        assert {math.isfinite(score) for score in scores.values()} == {task != name}


def test_what_another_process_saw_counts(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    class Joint:
        def max(self, values: Tensor) -> Tensor:
            return torch.maximum(values, torch.tensor([[0.0, 1.0], [1.0, 1.0]]))

    monkeypatch.setattr("afanet.training.scoring.across", lambda fabric: Joint())
    actual = scored(recipe, 0, lambda logits: None)
    assert actual.fault == "task 'depth' has no abs, because its outputs are not finite"
