"""Concatenates the splits of several data sets: their items, readers and transforms."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

from torch import Tensor

from afanet.data.sample import Reader, Sample
from afanet.data.transforms import Zoom
from afanet.tasks import Task


@dataclass(frozen=True)
class Joined(Sequence[tuple[int, Any]]):
    """The items of all parts, concatenated without a copy, each as (part, item)."""

    parts: Sequence[Sequence[Any]]

    @cached_property
    def ends(self) -> list[int]:
        """The position after the last item of each part."""
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
        position = index + ends[-1] if index < 0 else index
        if not 0 <= position < ends[-1]:
            raise IndexError(index)
        part = bisect_right(ends, position)
        return part, self.parts[part][position - ends[part] + len(self.parts[part])]


class JoinedReader(Reader):
    """Reads (part, item) with the part's own reader, and keeps the targets of the part's `tasks`.

    An id begins with the number of its part, from 1. The name of a group includes the name and path of its data set
    (`names`), so that two parts from one data set share their people and scenes.
    """

    def __init__(self, readers: Sequence[Reader], tasks: Sequence[Mapping[str, Task]], names: Sequence[str]):
        self.readers = readers
        self.tasks = tasks
        self.names = names

    def __call__(self, item: tuple[int, Any]) -> Sample:
        part, inner = item
        sample = self.readers[part](inner)
        targets = {name: target for name, target in sample["targets"].items() if name in self.tasks[part]}
        return {"image": sample["image"], "targets": targets, "id": f"{part + 1}: {sample['id']}"}

    def files(self, item: tuple[int, Any]) -> Sequence[Path]:
        return self.readers[item[0]].files(item[1])

    def optional_files(self, item: tuple[int, Any]) -> Sequence[Path]:
        return self.readers[item[0]].optional_files(item[1])

    def sources(self) -> Sequence[Path]:
        return [file for reader in self.readers for file in reader.sources()]

    def values(self, item: tuple[int, Any]) -> Mapping[str, Tensor] | None:
        values = self.readers[item[0]].values(item[1])
        if values is None:
            return None
        return {name: value for name, value in values.items() if name in self.tasks[item[0]]}

    def origin(self, item: tuple[int, Any]) -> tuple[int, ...]:
        return (item[0], *self.readers[item[0]].origin(item[1]))

    def group(self, item: tuple[int, Any]) -> str | None:
        inner = self.readers[item[0]].group(item[1])
        return None if inner is None else f"{inner} of {self.names[item[0]]}"

    def groups(self, items: Sequence[tuple[int, Any]]) -> Iterator[str]:
        for part, (reader, name) in enumerate(zip(self.readers, self.names, strict=True)):
            inner = (
                items.parts[part] if isinstance(items, Joined) else [item for number, item in items if number == part]
            )
            yield from (f"{group} of {name}" for group in reader.groups(inner))


class JoinedTransform:
    """Applies each part's own transform, chosen by the sample's `origin`."""

    def __init__(self, parts: Sequence[Any]):
        self.parts = parts

    @property
    def transforms(self) -> Sequence[Any]:
        """The steps of the part with the largest zoom; a cache uses them to size all images."""

        def furthest(part: Any) -> float:
            return max((step.most for step in part.transforms if isinstance(step, Zoom)), default=1.0)

        largest: Sequence[Any] = max(self.parts, key=furthest).transforms
        return largest

    def __call__(self, sample: Sample) -> Sample:
        part, *inner = sample["origin"]
        of_part: Sample = {"image": sample["image"], "targets": sample["targets"], "id": sample["id"]}
        if inner:
            of_part["origin"] = tuple(inner)
        transformed: Sample = self.parts[part](of_part)
        return transformed
