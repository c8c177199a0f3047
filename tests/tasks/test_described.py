"""A task's description survives being kept."""

from __future__ import annotations

import json

import pytest

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
)

TASKS = [
    Segmentation(["a", "b", "c"]),
    Depth(),
    Normals(),
    Classification("age", ["0", "1"]),
    Ordinal("age", ["0", "1", "2"]),
    MultiLabel("attributes", ["x", "y"]),
    Regression("weight", 0.0, 10.0),
    DenseRegression("height", 0.0, 10.0, "m", "inverse"),
    Vector("nose", ["x", "y"], points=True),
    MultiLabelSegmentation(["road", "wet"], "surface"),
    Edges(),
    Saliency(),
    HumanParts(),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_it_says_what_the_task_says(task: Task) -> None:
    kept = json.loads(json.dumps(Description.of(task).as_json()))
    actual = Description.from_json(task.name, kept)
    assert (actual.name, actual.output) == (task.name, task.output)
    assert (actual.main_metric, actual.higher_is_better) == (task.main_metric, task.higher_is_better)
    assert list(actual.higher_is_better) == list(task.higher_is_better)
    assert actual.meaning == task.meaning


def test_a_run_of_before_meanings_were_kept_is_read() -> None:
    kept = Description.of(TASKS[0]).as_json()
    del kept["meaning"]
    assert Description.from_json("segmentation", kept).meaning == {}
