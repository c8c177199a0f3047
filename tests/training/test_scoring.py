"""Scores over a split, and when they are none."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.utilities import dim_zero_sum

from afanet.distributed.processes import create_fabric
from afanet.recipe.schema import Recipe
from afanet.runs.setup import open_tasks
from afanet.tasks import Depth, Task
from afanet.tasks.scores import Basis
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
    unusable = {"segmentation": "not finite", "depth": "not finite, or not above 0,"}[name]
    count = "in 1 of 7 images (1 pixel)"
    assert actual.fault == f"task '{name}' has no {metric}, because its outputs are {unusable} {count}"
    for task, scores in actual.scores.items():
        assert {math.isfinite(score) for score in scores.values()} == {task != name}


def test_what_another_process_saw_counts(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts go across processes as the sums of metrics do, from which another one's are added here."""
    compute = Basis.compute

    def joint(basis: Basis) -> dict[str, Tensor]:
        if basis.task.name == "depth":
            basis.counts = basis.counts + torch.tensor([7, 9, 2, 5])
        return compute(basis)

    monkeypatch.setattr(Basis, "compute", joint)
    assert all(reduction is dim_zero_sum for reduction in Basis(Depth())._reductions.values())
    actual = scored(recipe, 0, lambda logits: None)
    assert actual.fault is not None
    assert actual.fault.startswith("task 'depth' has no abs, because its outputs are not finite")
    assert actual.fault.endswith("in 2 of 14 images (5 pixels)")


def test_scores_over_one_class_or_no_label_are_none_with_the_reason_and_no_fault(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, tasks = open_tasks(recipe)
    monkeypatch.setattr(tasks["segmentation"], "labelled", lambda target: target == 1)
    monkeypatch.setattr(tasks["depth"], "labelled", lambda target: target < 0)
    network = Answers(tasks, 0, lambda logits: None)
    actual = score(create_fabric(recipe, torch.device("cpu")), network, tasks, data, data.test, recipe)
    classes = len(tasks["segmentation"].names)
    assert actual.fault is None
    assert actual.unscored == {
        "segmentation": f"only one of {classes} classes occurs in the test labels",
        "depth": "the test split has no label of it",
    }
    assert all(math.isnan(value) for scores in actual.scores.values() for value in scores.values())
