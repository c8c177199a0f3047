"""A result in the form of a target is what the task predicts from the same logits, for every kind."""

from __future__ import annotations

import pytest
import torch

from afanet.errors import InputError
from afanet.networks.outputs import Dense
from afanet.tasks import (
    Classification,
    DenseRegression,
    Depth,
    Edges,
    HumanParts,
    MultiLabel,
    MultiLabelSegmentation,
    Normals,
    Ordinal,
    Regression,
    Saliency,
    Segmentation,
    Task,
    Vector,
)
from afanet.tasks.kinds import ROOMS, read_estimate
from afanet.tasks.multi_label.result import Labels
from afanet.tasks.result import Result

TASKS: list[Task] = [
    Segmentation(["floor", "wall", "bed"]),
    Depth(),
    Normals(),
    Classification("kind", ["hall", "attic", "cellar"]),
    Ordinal("age", ["child", "adult", "old"]),
    MultiLabel("face", ["hat", "beard"]),
    Regression("years", 0, 100, "years"),
    DenseRegression("height", 0.0, 10.0, "m", "inverse"),
    Vector("nose", ["x", "y"], points=True),
    MultiLabelSegmentation(["road", "wet"], "surface"),
    Edges(),
    Saliency(),
    HumanParts(),
]


def test_every_kind_is_here() -> None:
    assert {task.kind for task in TASKS} == set(ROOMS)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_it_is_the_prediction(task: Task) -> None:
    size = (5, 7)
    shape = (4, task.output.channels, *size) if isinstance(task.output, Dense) else (4, task.output.channels)
    logits = 3 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    predicted, estimates = task.predict(logits), task.estimate(logits)
    for expected, estimate in zip(predicted, estimates, strict=True):
        target = torch.from_numpy(read_estimate(task.name, task.meaning, estimate.numpy(), size).as_target())
        assert target.dtype == expected.dtype or not expected.is_floating_point()
        torch.testing.assert_close(target.to(expected.dtype), expected, rtol=1e-6, atol=1e-6)
        assert target.shape == expected.shape


def test_a_kind_without_it_is_refused_by_name() -> None:
    class Mine(Labels):
        as_target = Result.as_target

    with pytest.raises(InputError, match="task 'mood' cannot be scored by its results: Mine has no method 'as_target'"):
        Mine("mood", (), {}).as_target()
