"""The kinds of task that a manifest can have: what a recipe says of each, and how its column is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from afanet.data.declared import declare
from afanet.data.sets.manifest.maps import DepthKind, NormalsKind, SegmentationKind
from afanet.data.sets.manifest.values import ClassificationKind, MultiLabelKind, OrdinalKind, RegressionKind
from afanet.data.task_names import name_fault
from afanet.errors import InputError, shown, unknown

Kind = ClassificationKind | MultiLabelKind | OrdinalKind | RegressionKind | SegmentationKind | DepthKind | NormalsKind

KINDS: dict[str, type[Kind]] = {
    "classification": ClassificationKind,
    "multi-label": MultiLabelKind,
    "ordinal": OrdinalKind,
    "regression": RegressionKind,
    "segmentation": SegmentationKind,
    "depth": DepthKind,
    "normals": NormalsKind,
}
COLUMNS = ("image", "split", "group")


def declare_tasks(tasks: Mapping[str, Any]) -> dict[str, Kind]:
    """The tasks that a recipe declares, by name; raises `InputError` for a name, kind or key that cannot be used.

    >>> declare_tasks({"age": {"kind": "regression", "range": [0, 100]}})["age"].range
    (0.0, 100.0)
    >>> declare_tasks({"age": {"kind": "regresion", "range": [0, 100]}})
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: unknown kind of task 'age' 'regresion', did you mean 'regression'? ...
    """
    if not tasks:
        raise InputError("data set 'manifest' has no 'tasks', expected one for each column of labels, with its 'kind'")
    return {str(name): _declare_task(str(name), given) for name, given in tasks.items()}


def _declare_task(name: str, given: Any) -> Kind:
    if why := "is taken" if name in COLUMNS else name_fault(name):
        raise InputError(f"task name '{name}' {why}: call the task and its column something else, such as '{name}_of'")
    if not isinstance(given, Mapping) or "kind" not in given:
        raise InputError(f"task '{name}' is {shown(given)}, expected its 'kind': {', '.join(KINDS)}")
    if given["kind"] not in KINDS:
        raise unknown(f"kind of task '{name}'", str(given["kind"]), KINDS)
    keys = {key: value for key, value in given.items() if key != "kind"}
    return declare(KINDS[given["kind"]], keys, f"{given['kind']} task '{name}'")
