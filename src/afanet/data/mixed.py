"""Several data sets as one, each labelled for some of the tasks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import torch
from pydantic import Field, PositiveFloat

from afanet.data.declared import Declared, declare
from afanet.data.sample import Data, Reader, Sample, Size, Split
from afanet.data.transforms import Zoom
from afanet.errors import InputError, unknown
from afanet.tasks import Task

APPEARANCE = {"max_metres"}  # attributes of tasks that decide only what pictures look like


class Part(Declared):
    """One of the data sets: its name, path and options, the tasks to take from it (all if not given), its share."""

    name: str
    root: Path | None = None
    options: dict[str, Any] = Field({})
    tasks: tuple[str, ...] | None = Field(None, min_length=1)
    share: PositiveFloat = 1.0


def open_mixed(root: Path | None = None, size: Size = (96, 128), *, parts: list[Any] | None = None) -> Data:
    """Several data sets at one `size`, each of which `parts` names as a mapping with the keys of `Part`.

    Samples keep the transforms of their part, and the tasks that other parts have are unlabelled in them. Tasks of one
    name must mean the same: one kind, the same classes. Validation and test splits are joined. In training each sample
    is drawn, with replacement, from part p with probability share_p / (sum of shares); an epoch is as many
    draws as the parts have training samples together.

    >>> rooms = {"name": "rooms", "options": {"train_scenes": 4, "test_scenes": 1}}
    >>> data = open_mixed(size=(24, 32), parts=[{**rooms, "tasks": ["depth"]}, {**rooms, "tasks": ["segmentation"]}])
    >>> [list(data.train[index]["targets"]) for index in (0, 4)], list(data.tasks), len(data.test)
    ([['depth'], ['segmentation']], ['depth', 'segmentation'], 2)
    """
    if root is not None:
        raise InputError(f"data set 'mixed' found data path '{root}': leave --data out, each of its parts has its own")
    if not parts:
        raise InputError("data set 'mixed' has no 'parts', expected a list of data sets, each with its 'name'")
    declared = [declare(Part, part, f"part {number}") for number, part in enumerate(parts, start=1)]
    opened = [_open(part, size, number) for number, part in enumerate(declared, start=1)]
    tasks = [_chosen(part, data) for part, data in zip(declared, opened, strict=True)]
    counts = [len(data.train) for data in opened]
    chances = [part.share / max(1, count) for part, count in zip(declared, counts, strict=True)]
    return Data(
        train=_join([data.train for data in opened], tasks),
        validation=_join([_validation(data) for data in opened], tasks) if any(x.validation for x in opened) else None,
        test=_join([data.test for data in opened], tasks),
        tasks=_agreed(tasks),
        describe="mixed: "
        + "; ".join(f"{data.describe} (share {part.share:g})" for part, data in zip(declared, opened, strict=True)),
        problems=_said(declared, [data.problems for data in opened]),
        warnings=_said(declared, [data.warnings for data in opened]),
        weights=torch.tensor(chances, dtype=torch.float64).repeat_interleave(torch.tensor(counts)),
    )


@dataclass(frozen=True)
class Joined(Sequence[tuple[int, Any]]):
    """The items of all parts behind one another, each as (part, item), without a copy."""

    parts: Sequence[Sequence[Any]]

    @property
    def ends(self) -> list[int]:
        """The places after the last item of each part."""
        return list(accumulate(map(len, self.parts)))

    def __len__(self) -> int:
        return self.ends[-1]

    @overload
    def __getitem__(self, index: int) -> tuple[int, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[int, Any]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        ends = self.ends
        place = index + ends[-1] if index < 0 else index
        if not 0 <= place < ends[-1]:
            raise IndexError(index)
        part = bisect_right(ends, place)
        return part, self.parts[part][place - ends[part] + len(self.parts[part])]


class JoinedReader(Reader):
    """Reads (part, item) by the part's own reader; of the targets it keeps those of the part's `tasks`.

    An id begins with the number of its part, from 1.
    """

    def __init__(self, readers: Sequence[Reader], tasks: Sequence[Mapping[str, Task]]):
        self.readers = readers
        self.tasks = tasks

    def __call__(self, item: tuple[int, Any]) -> Sample:
        part, inner = item
        sample = self.readers[part](inner)
        targets = {name: target for name, target in sample["targets"].items() if name in self.tasks[part]}
        return {"image": sample["image"], "targets": targets, "id": f"{part + 1}: {sample['id']}"}

    def files(self, item: tuple[int, Any]) -> Sequence[Path]:
        return self.readers[item[0]].files(item[1])

    def group(self, item: tuple[int, Any]) -> str | None:
        inner = self.readers[item[0]].group(item[1])
        return None if inner is None else f"{item[0] + 1}: {inner}"


class JoinedTransform:
    """Every part's own transform; which part a sample is of stands at the front of its id."""

    def __init__(self, parts: Sequence[Any]):
        self.parts = parts

    @property
    def transforms(self) -> Sequence[Any]:
        """The steps of the part whose views are taken from the largest images, by which a cache keeps all."""

        def furthest(part: Any) -> float:
            return max((step.most for step in part.transforms if isinstance(step, Zoom)), default=1.0)

        largest: Sequence[Any] = max(self.parts, key=furthest).transforms
        return largest

    def __call__(self, sample: Sample) -> Sample:
        transformed: Sample = self.parts[int(sample["id"].partition(":")[0]) - 1](sample)
        return transformed


def _open(part: Part, size: Size, number: int) -> Data:
    from afanet.data import open_data  # which has a row for what is defined here

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
    """The tasks of all parts; raises `InputError` where one name means two things."""
    agreed: dict[str, Task] = {}
    for number, tasks in enumerate(parts, start=1):
        for name, task in tasks.items():
            first, second = _meaning(agreed.setdefault(name, task)), _meaning(task)
            if first != second:
                differing = next(key for key in first | second if first.get(key) != second.get(key))
                raise InputError(
                    f"task '{name}' of part {number} has {differing} {second.get(differing)!s:.60}, expected "
                    f"{first.get(differing)!s:.60} as in the parts before: rename one of them, or take it from one part"
                )
    return agreed


def _meaning(task: Task) -> dict[str, Any]:
    kept = {key: value for key, value in vars(task).items() if key not in APPEARANCE}
    return {"kind": type(task).__name__} | kept


def _join(splits: Sequence[Split], tasks: Sequence[Mapping[str, Task]]) -> Split:
    read = JoinedReader([split.read for split in splits], tasks)
    return Split(
        read, Joined([split.items for split in splits]), JoinedTransform([split.transform for split in splits])
    )


def _validation(data: Data) -> Split:
    return data.validation or Split(data.test.read, (), data.test.transform)


def _said(parts: Sequence[Part], sentences: Sequence[Sequence[str]]) -> list[str]:
    pairs = enumerate(zip(parts, sentences, strict=True), start=1)
    return [f"part {number} ({part.name}): {sentence}" for number, (part, said) in pairs for sentence in said]
