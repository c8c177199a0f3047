"""Tasks from what they say of themselves: enough to read a network's outputs where the data are gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from afanet.errors import InputError, unknown
from afanet.tasks.classification.task import Classification
from afanet.tasks.depth.task import Depth
from afanet.tasks.described import Described
from afanet.tasks.multi_label.task import MultiLabel
from afanet.tasks.normals.task import Normals
from afanet.tasks.ordinal.task import Ordinal
from afanet.tasks.regression.task import Regression
from afanet.tasks.segmentation.task import Segmentation
from afanet.tasks.task import Task

KINDS: dict[str, Callable[[str, Mapping[str, Any]], Task]] = {
    "segmentation": lambda name, meaning: Segmentation(meaning["classes"], name=name),
    "depth": lambda name, meaning: Depth(meaning["far"], name),
    "normals": lambda name, meaning: Normals(name),
    "classification": lambda name, meaning: Classification(name, meaning["classes"]),
    "ordinal": lambda name, meaning: Ordinal(name, meaning["classes"]),
    "multi_label": lambda name, meaning: MultiLabel(name, meaning["labels"]),
    "regression": lambda name, meaning: Regression(name, meaning["range"][0], meaning["range"][1], meaning["unit"]),
}


def read_task(described: Described) -> Task:
    """The task that a description is of, with the same `estimate`, `predict` and `meaning`; its loss is the usual one.

    Raises `InputError` for a description without a meaning, as runs of before meanings were kept have, and for one
    that was kept by another version.

    >>> from afanet.tasks import Description
    >>> read_task(Description.of(Depth(max_metres=8))).meaning["far"]
    8
    """
    name, meaning = described.name, described.meaning
    if not meaning:
        raise InputError(f"the run does not say what task '{name}' means, for it is of before runs kept that")
    if meaning["kind"] not in KINDS:
        raise unknown(f"kind of task '{name}'", meaning["kind"], KINDS)
    try:
        return KINDS[meaning["kind"]](name, meaning)
    except KeyError as error:
        raise InputError(f"the meaning of task '{name}' has no {error}: the run is of another version") from None
