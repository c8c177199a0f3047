"""The kinds of task: one folder and one row each, and more from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError, unknown
from afanet.outside import is_reference
from afanet.registry import Registry, imported
from afanet.tasks.sides import sides_fault

if TYPE_CHECKING:
    from afanet.tasks.column import Column
    from afanet.tasks.described import Described
    from afanet.tasks.result import Result
    from afanet.tasks.task import Task


@dataclass(frozen=True)
class Kind:
    """A kind of task, in three parts.

    Args:
        task: the `Task`: what the head gives, the loss, the metrics, and how a prediction is drawn; needs torch.
        column: the `Column`: how a manifest's labels of this kind are declared, read, guessed and checked.
        result: the `Result`: the answer for a photo, and how it is drawn and saved; needs only NumPy and Pillow.

    The package's own kinds give each part as `module:Class`, which is imported on first use.
    """

    task: type[Task] | str
    column: type[Column] | str
    result: type[Result] | str

    @property
    def task_class(self) -> type[Task]:
        """The class of tasks."""
        task: type[Task] = imported(self.task)
        return task

    @property
    def column_class(self) -> type[Column]:
        """The class of columns."""
        column: type[Column] = imported(self.column)
        return column

    @property
    def result_class(self) -> type[Result]:
        """The class of results."""
        result: type[Result] = imported(self.result)
        return result


def _read(name: str, given: object) -> Kind:
    if not isinstance(given, Kind):
        raise InputError(
            f"kind of task '{name}' is {type(given).__name__}, expected an afanet.tasks.Kind with its task, column and "
            "result"
        )
    return given


ROOMS = (
    "segmentation",
    "depth",
    "normals",
    "classification",
    "ordinal",
    "multi_label",
    "regression",
    "dense_regression",
    "vector",
    "multi_label_segmentation",
    "edges",
    "saliency",
    "human_parts",
)
ALIASES = {"multi-label": "multi_label"}  # older spellings in manifests
KINDS: Registry[Kind] = Registry(
    "task", "kind of task", {name: f"afanet.tasks.{name}:KIND" for name in ROOMS}, read=_read
)


def register_task(name: str, kind: Kind) -> None:
    """Register a kind of task under the name by which manifests declare it.

    Raises `InputError` if the name belongs to one of the package's own kinds or is not a word, and for anything but a
    `Kind`.

    >>> register_task("depth", KINDS["depth"])
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: 'depth' cannot name a kind of task, since it is taken: choose another name
    """
    KINDS.register(name, kind)


def read_task(described: Described) -> Task:
    """The task of a description, with the same `estimate`, `predict` and `meaning`, and the default loss.

    Raises `InputError` for a description without a meaning, as in the first runs, and for one from another version.

    >>> from afanet.tasks import Depth, Description
    >>> read_task(Description.of(Depth(max_metres=8))).meaning["far"]
    8
    """
    name, meaning = described.name, described.meaning
    if not meaning:
        raise InputError(f"the run does not say what task '{name}' means: it is from an older version; train it again")
    kind = kind_of(name, meaning)
    if fault := meaning_fault(meaning, referred=True):
        raise InputError(f"in the meaning of task '{name}' {fault}: the run is from another version")
    task = kind.task_class.from_described(described)
    task.kind = meaning["kind"]
    if task.output != described.output:
        raise InputError(
            f"task '{name}' has the output {described.output}, but its meaning needs {task.output}: the run is from "
            "another version"
        )
    if not meaning.get("mirror", True):
        task.mirror = False
    if swap := meaning.get("swap"):
        task.swap = tuple((one, other) for one, other in swap)
    return task


def kind_of(task: str, meaning: Mapping[str, Any]) -> Kind:
    """The kind of a task, by its meaning; raises `InputError` for an unknown kind."""
    name = str(meaning.get("kind"))
    if name not in KINDS:
        raise InputError(
            f"task '{task}': {unknown('kind', name, KINDS)}; register it with afanet.register_task if it is your own"
        )
    return KINDS[name]


def read_estimate(
    task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]
) -> Result:
    """The result for one photo of `size` = (H, W), from the estimate of a task and its meaning.

    >>> meaning = {"kind": "regression", "unit": "years", "decimals": 1}
    >>> str(read_estimate("age", meaning, np.float32(31.42), (480, 640)))
    '31.4 years'
    """
    return kind_of(task, meaning).result_class.read(task, meaning, estimate, size)


def outputs(meanings: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """For each task its name, its kind with classes or unit, and what an estimate is, in words.

    >>> list(outputs({"place": {"kind": "classification", "classes": ["hall", "attic"]}}))
    [('place', 'classification 2: hall, attic', 'the probability of each class')]
    """
    for name, meaning in meanings.items():
        names = meaning.get("classes") or meaning.get("labels") or []
        what = f"{len(names)}: {', '.join(names)}" if names else meaning.get("unit", "")
        yield name, f"{meaning['kind']} {what}".strip(), kind_of(name, meaning).result_class.reads


def meaning_fault(meaning: object, referred: bool = False) -> str | None:
    """What is invalid in a task's meaning, in words; None if it is as `Task.meaning` gives it.

    A kind that is a reference to outside code is checked only if `referred`, because the check runs its code.

    >>> meaning_fault({"kind": "classification", "classes": ["hall", "attic"]})
    >>> meaning_fault({"kind": "depth", "far": -1.0, "colours": [[0, 0, 0]]})
    "'far' is -1.0, expected a number above 0"
    """
    if not isinstance(meaning, Mapping):
        return f"it is {meaning!r:.60}, expected a mapping with a kind and the keys of that kind"
    kind = meaning.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        known = f"{', '.join(KINDS)}, or your own, registered with afanet.register_task"
        return f"'kind' is {kind!r:.60}, expected one of: {known}"
    if is_reference(kind) and not referred:
        return None
    return KINDS[kind].result_class.meaning_fault(meaning) or sides_fault(meaning)
