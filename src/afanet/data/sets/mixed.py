"""Several data sets as one, each labelled for some of the tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, PositiveFloat

from afanet.data.data_set import DataSet
from afanet.data.sample import Data, Size, Split
from afanet.data.sets.joined import Joined, JoinedReader, JoinedTransform
from afanet.declared import Declared, declare
from afanet.errors import InputError, unknown
from afanet.tasks import Task

MOST_SAMPLES = 100_000_000  # of all parts
APPEARANCE = {"max_metres", "colours"}  # attributes of tasks that only change pictures


class Part(Declared):
    """One of the data sets: its name, path and options, the tasks to take from it (by default all), its share."""

    name: str
    root: Path | None = None
    options: dict[str, Any] = Field({})
    tasks: tuple[str, ...] | None = Field(None, min_length=1)
    share: PositiveFloat = 1.0


def open_mixed(root: Path | None = None, size: Size = (96, 128), *, parts: list[Any] | None = None) -> Data:
    """Several data sets at one `size`; each entry of `parts` is a mapping with the keys of `Part`.

    Samples keep the transforms of their part; tasks of other parts are unlabelled in them. Tasks of the same name must
    have the same meaning: the same kind, the same classes. Validation and test splits are joined. In training, each
    sample is drawn, with replacement, from part p with probability share_p / (sum of shares); an epoch has as many
    draws as all parts together have training samples.

    >>> rooms = {"name": "rooms", "options": {"train_scenes": 4, "test_scenes": 1}}
    >>> data = open_mixed(size=(24, 32), parts=[{**rooms, "tasks": ["depth"]}, {**rooms, "tasks": ["segmentation"]}])
    >>> [list(data.train[index]["targets"]) for index in (0, 4)], list(data.tasks), len(data.test)
    ([['depth'], ['segmentation']], ['depth', 'segmentation'], 2)
    """
    if root is not None:
        raise InputError(f"data set 'mixed' found data path '{root}': leave --data out, since each part has its own")
    if not parts:
        raise InputError("data set 'mixed' has no 'parts', expected a list of data sets, each with its 'name'")
    declared = [declare(Part, part, f"part {number}") for number, part in enumerate(parts, start=1)]
    opened = [_open(part, size, number) for number, part in enumerate(declared, start=1)]
    if (count := sum(len(data.train) for data in opened)) > MOST_SAMPLES:
        raise InputError(f"data set 'mixed' has {count:,} training samples, expected at most {MOST_SAMPLES:,}")
    tasks = [_chosen(part, data) for part, data in zip(declared, opened, strict=True)]
    names = [f"{part.name} {part.root}" if part.root else part.name for part in declared]
    held = [data.validation or Split(data.test.read, (), data.test.transform) for data in opened]
    return Data(
        train=_join([data.train for data in opened], tasks, names),
        validation=_join(held, tasks, names) if any(data.validation for data in opened) else None,
        test=_join([data.test for data in opened], tasks, names),
        tasks=_agreed(tasks),
        describe="mixed: "
        + "; ".join(f"{data.describe} (share {part.share:g})" for part, data in zip(declared, opened, strict=True)),
        problems=_numbered(declared, [data.problems for data in opened]),
        lacking=_numbered(declared, [data.lacking for data in opened]),
        warnings=_numbered(declared, [data.warnings for data in opened]),
        remedies={
            name: data.remedies.get(name, "") for data, names in zip(opened, tasks, strict=True) for name in names
        },
        notes=_numbered(declared, [data.notes for data in opened]),
        unlabelled=[item for data in opened for item in data.unlabelled],
        shares=[(len(data.train), part.share) for part, data in zip(declared, opened, strict=True)],
        machine_made=_made(opened, tasks),
    )


def _made(opened: Sequence[Data], parts: Sequence[Mapping[str, Task]]) -> dict[str, dict[str, dict[str, float]]]:
    """The counts of all parts together, see `Data`; a mean confidence is left out if a part has none."""
    joined: dict[str, dict[str, dict[str, float]]] = {}
    for data, tasks in zip(opened, parts, strict=True):
        for split, counts in data.machine_made.items():
            for name in (name for name in counts if name in tasks):
                before, more = joined.setdefault(split, {}).get(name), dict(counts[name])
                if before is not None:
                    total = before["machine_made"] + more["machine_made"]
                    terms = [c["machine_made"] * c["confidence"] for c in (before, more) if "confidence" in c]
                    more = {"machine_made": total} | ({"confidence": sum(terms) / total} if len(terms) == 2 else {})
                joined[split][name] = more
    return joined


def _open(part: Part, size: Size, number: int) -> Data:
    from afanet.data import open_data  # imported here, since its table has a row for this module

    try:
        return open_data(part.name, part.root, size, **part.options)
    except InputError as error:
        raise InputError(f"part {number}: {error}") from None


def _chosen(part: Part, data: Data) -> dict[str, Task]:
    for name in part.tasks or ():
        if name not in data.tasks:
            raise unknown(f"task of data set {part.name}", name, data.tasks)
    return {name: data.tasks[name] for name in part.tasks or data.tasks}


def _agreed(parts: Sequence[Mapping[str, Task]]) -> dict[str, Task]:
    """The tasks of all parts; raises `InputError` if one name has two meanings."""
    agreed: dict[str, Task] = {}
    for number, tasks in enumerate(parts, start=1):
        for name, task in tasks.items():
            first, second = _meaning(agreed.setdefault(name, task)), _meaning(task)
            if first != second:
                differing = next(key for key in first | second if first.get(key) != second.get(key))
                raise InputError(
                    f"task '{name}' of part {number} has {differing} {second.get(differing)!s:.60}, expected "
                    f"{first.get(differing)!s:.60} as in earlier parts: rename one of them, or take it from one part"
                )
    return agreed


def _meaning(task: Task) -> dict[str, Any]:
    kept = {key: value for key, value in vars(task).items() if key not in APPEARANCE}
    return kept | {"kind": task.kind, "mirror": task.mirror, "swap": task.swap}


def _join(splits: Sequence[Split], tasks: Sequence[Mapping[str, Task]], names: Sequence[str]) -> Split:
    read = JoinedReader([split.read for split in splits], tasks, names)
    return Split(
        read, Joined([split.items for split in splits]), JoinedTransform([split.transform for split in splits])
    )


def _numbered(parts: Sequence[Part], sentences: Sequence[Sequence[str]]) -> list[str]:
    pairs = enumerate(zip(parts, sentences, strict=True), start=1)
    return [f"part {number} ({part.name}): {sentence}" for number, (part, messages) in pairs for sentence in messages]


DATA_SET = DataSet(open=open_mixed)
