"""What tasks say of themselves is taken, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from afanet.tasks.kinds import KINDS, meaning_fault

TASKS: list[Task] = [
    Segmentation([f"class {number}" for number in range(300)]),
    Depth(8),
    Normals(),
    Classification("age", ["young", "old"]),
    Ordinal("age", ["0", "1", "2"]),
    MultiLabel("face", ["hat"]),
    Regression("weight", -1e-9, 1e-9, "kg"),
    DenseRegression("height", 0.0, 10.0, "m", "inverse"),
    Vector("nose", ["x", "y"], points=True),
    MultiLabelSegmentation(["road", "wet"], "surface"),
    Edges(),
    Saliency(),
    HumanParts(),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def meaning(task: Task) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(json.dumps(task.meaning))
    return kept


def test_every_kind_is_known() -> None:
    assert set(KINDS) == {task.meaning["kind"] for task in TASKS}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_a_task_says_what_can_be(task: Task) -> None:
    assert meaning_fault(meaning(task)) is None
    for key in KINDS[task.meaning["kind"]].result_class.expected:
        assert f"'{key}' is " in str(meaning_fault(meaning(task) | {key: {"no": "such"}}))
    without = {key: value for key, value in meaning(task).items() if key != "kind"}
    assert "'kind' is None, expected one of: segmentation" in str(meaning_fault(without))


def test_the_first_that_were_kept_had_no_range() -> None:
    assert meaning_fault({"kind": "regression", "unit": "kg", "decimals": 1}) is None
    assert meaning_fault({"kind": "depth", "far": 1.0}) == (
        "'colours' is missing, expected colours of three whole numbers from 0 to 255 each"
    )


@pytest.mark.parametrize("far", [0, -1.0, float("nan"), float("inf"), 10**400, True, "8", None])
def test_numbers_are_finite(far: object) -> None:
    assert meaning_fault(meaning(Depth()) | {"far": far})


@given(VALUES)
def test_whatever_is_said_is_answered(message: object) -> None:
    assert meaning_fault(message) is not None


@given(st.sampled_from(TASKS), VALUES, st.data())
def test_whatever_a_key_holds_is_answered(task: Task, value: object, data: st.DataObject) -> None:
    kept = meaning(task)
    key = data.draw(st.sampled_from([key for key in kept if key not in ("unit", "kind")]))
    fault = meaning_fault(kept | {key: value})
    assert fault is None or "\n" not in fault


def test_each_class_has_its_colour() -> None:
    kept = meaning(TASKS[0])
    assert "'colours' are 299, expected one for each of the 300 names" in str(
        meaning_fault(kept | {"colours": kept["colours"][1:]})
    )
