"""A task read back from what a run keeps says of logits what the task itself says."""

from __future__ import annotations

import json

import pytest
import torch

from afanet.errors import InputError
from afanet.networks.outputs import Dense
from afanet.tasks import (
    Classification,
    DenseRegression,
    Depth,
    Description,
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
    read_task,
)

TASKS = [
    Segmentation(["a", "b", "c"], name="parts"),
    Depth(8.0, "far"),
    Normals(),
    Classification("sex", ["f", "m"], ordinal=True),
    Ordinal("age", ["0", "1", "2"]),
    MultiLabel("attributes", ["x", "y"]),
    Regression("weight", 2.5, 10.0, "kg"),
    DenseRegression("height", 0.0, 10.0, "m", "inverse"),
    Vector("nose", ["x", "y"], points=True),
    MultiLabelSegmentation(["road", "wet"], "surface"),
    Edges(),
    Saliency(),
    HumanParts(),
]


def kept(task: Task) -> Description:
    return Description.from_json(task.name, json.loads(json.dumps(Description.of(task).as_json())))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_it_estimates_and_decides_as_the_task_does(task: Task) -> None:
    again = read_task(kept(task))
    pixels = (4, 5) if isinstance(task.output, Dense) else ()
    logits = torch.randn(2, task.output.channels, *pixels, generator=torch.Generator().manual_seed(0))
    assert type(again) is type(task)
    assert (again.name, again.output, again.meaning) == (task.name, task.output, task.meaning)
    assert again.higher_is_better == task.higher_is_better
    assert set(again.metrics().compute()) == set(task.metrics().compute())
    assert torch.equal(again.estimate(logits), task.estimate(logits))
    assert torch.equal(again.predict(logits), task.predict(logits))


def test_what_cannot_be_read_is_said() -> None:
    description = Description.of(Depth())
    for meaning, message in [
        ({}, "'depth' means"),
        ({"kind": "dept"}, "did you mean 'depth'"),
        ({"kind": "depth"}, "'far' is missing"),
    ]:
        given = Description("depth", description.output, "abs", {}, meaning)
        with pytest.raises(InputError, match=message):
            read_task(given)
