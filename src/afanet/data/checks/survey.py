"""Reads a whole data set once and reports its content, its errors, and warnings for the user."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from afanet.data.checks.faults import target_faults
from afanet.data.checks.leaks import leaks
from afanet.data.checks.proportions import proportion_warnings
from afanet.data.checks.sides import side_warnings
from afanet.data.parallel import in_order
from afanet.data.sample import Data, Reader, Split
from afanet.errors import InputError
from afanet.tasks import PooledTask, Task

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
KEPT_VALUES = 2_000_000  # of a task's numbers in one split, from which its percentiles are computed


@dataclass
class TaskSurvey:
    """One task in one split: how much is labelled, and how its classes or numbers are distributed."""

    labelled: int = 0  # images
    pixels: float = 0.0  # sum over these images of the share of pixels that are labelled
    counts: Tensor | None = None  # of the task's names, in images or pixels
    values: array[float] = field(default_factory=lambda: array("d"))  # some of the numbers
    low: float = float("inf")
    high: float = float("-inf")

    def summary(self, task: Task) -> dict[str, Any]:
        """The statistics as plain values."""
        statistics: dict[str, Any] = {"labelled": self.labelled}
        if self.labelled:
            statistics["labelled_share"] = self.pixels / self.labelled
        if task.names and self.counts is not None:
            statistics["counts"] = dict(zip(task.names, self.counts.tolist(), strict=True))
            # of images, where labels are not exclusive too, else of pixels
            statistics["total"] = self.labelled if isinstance(task, PooledTask) else int(self.counts.sum())
        elif self.values:
            some = np.percentile(np.frombuffer(self.values), PERCENTILES)
            statistics |= {"min": self.low, "max": self.high}
            statistics["percentiles"] = dict(zip(map(str, PERCENTILES), some.tolist(), strict=True))
        return statistics


@dataclass(frozen=True)
class Survey:
    """The result of a check: statistics by split, errors that prevent training, and warnings."""

    describe: str
    splits: dict[str, dict[str, Any]]
    errors: list[str]
    warnings: list[str]

    def plain(self) -> dict[str, Any]:
        """Everything as values that JSON can hold."""
        return {"data": self.describe, "splits": self.splits, "errors": self.errors, "warnings": self.warnings}


@dataclass(frozen=True)
class _Seen:
    """What a worker process reports of one sample."""

    size: tuple[int, int]
    digest: int  # of the pixels; not 0
    faults: list[str]
    tasks: dict[str, tuple[float, Tensor | None, Tensor, float, float]]


class _Look:
    """Reads one item of a split and summarises it."""

    def __init__(self, reader: Reader, tasks: Mapping[str, Task], values: int):
        self.reader = reader
        self.tasks = tasks
        self.values = values

    def __call__(self, item: Any) -> _Seen:
        sample = self.reader(item)
        image = sample["image"].as_subclass(Tensor).contiguous()
        size = (int(image.shape[-2]), int(image.shape[-1]))
        tasks: dict[str, tuple[float, Tensor | None, Tensor, float, float]] = {}
        faults = target_faults(sample, self.tasks)
        for name, task in self.tasks.items():
            target = sample["targets"].get(name)
            if target is None or name in faults:
                continue
            target = target.as_subclass(Tensor)
            labelled = task.labelled(target)
            if labelled.any():
                tasks[name] = (labelled.double().mean().item(), *self._values(task, target, labelled))
        digest = blake2b(image.numpy(), key=repr(size).encode(), digest_size=8).digest()
        return _Seen(size, int.from_bytes(digest) or 1, list(faults.values()), tasks)

    def _values(self, task: Task, target: Tensor, labelled: Tensor) -> tuple[Tensor | None, Tensor, float, float]:
        if task.names:
            return task.tally(target), torch.empty(0), 0.0, 0.0
        numbers = target[labelled.expand_as(target)].flatten()
        some = numbers[:: max(1, len(numbers) // self.values)]
        return None, some, numbers.min().item(), numbers.max().item()


def survey(data: Data, *, workers: int = 2, advance: Callable[[], None] = lambda: None) -> Survey:
    """Read every sample of every split once, in `workers` processes; `advance` is called after each.

    Errors: `data.problems`, samples that cannot be read, targets outside their task's range or of another size than
    their image, a person or scene in two splits. Warnings: `data.warnings`, an image that is in two splits (compared by
    its pixels), classes that a split has no label of, labels that a mirror spoils, images that are stretched.

    >>> from afanet.data import open_data
    >>> result = survey(open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1), workers=0)
    >>> result.errors, result.splits["train"]["images"], result.splits["train"]["sizes"]
    ([], 2, {'24x32': 2})
    """
    errors, warnings = [*data.problems, *leaks(data)], [*data.warnings, *side_warnings(data)]
    every_size: Counter[tuple[int, int]] = Counter()
    splits: dict[str, dict[str, Any]] = {}
    digests: dict[str, NDArray[np.uint64]] = {}
    for name, split in data.splits.items():
        tasks = {task: TaskSurvey() for task in data.tasks}
        sizes: Counter[tuple[int, int]] = Counter()
        digests[name] = np.zeros(len(split), np.uint64)
        for index, seen in enumerate(in_order(_look(split, data.tasks), split.items, workers)):
            advance()
            if isinstance(seen, InputError):
                errors.append(str(seen))
                continue
            errors += seen.faults
            sizes[seen.size] += 1
            _add(tasks, seen, every=max(1, len(split) // KEPT_VALUES))
            digests[name][index] = seen.digest
        splits[name] = {
            "images": sizes.total(),
            "sizes": {f"{height}x{width}": count for (height, width), count in sizes.most_common()},
            "tasks": {name: task.summary(data.tasks[name]) for name, task in tasks.items()},
        }
        every_size += sizes
        warnings += _absent(name, splits[name]["tasks"])
        if not len(split):
            errors.append(f"split {name} has no sample: training needs some of each")
    warnings += proportion_warnings(data, every_size)
    return Survey(data.describe, splits, errors, warnings + _twins(data.splits, digests))


def _look(split: Split, tasks: Mapping[str, Task]) -> _Look:
    return _Look(split.read, tasks, max(1, KEPT_VALUES // max(1, len(split))))


def _add(tasks: Mapping[str, TaskSurvey], seen: _Seen, every: int) -> None:
    for name, (share, counts, values, low, high) in seen.tasks.items():
        task = tasks[name]
        task.labelled += 1
        task.pixels += share
        if counts is not None:
            task.counts = counts if task.counts is None else task.counts + counts
        else:
            if task.labelled % every == 0:
                task.values.extend(values.tolist())
            task.low, task.high = min(task.low, low), max(task.high, high)


def _absent(split: str, tasks: Mapping[str, dict[str, Any]]) -> list[str]:
    warnings = []
    for task, statistics in tasks.items():
        if not statistics["labelled"]:
            warnings.append(f"split {split} has no label for {task}")
        elif absent := [name for name, count in statistics.get("counts", {}).items() if not count]:
            warnings.append(f"split {split} has no {task} of class {', '.join(absent)}")
    return warnings


def _twins(splits: Mapping[str, Split], digests: Mapping[str, NDArray[np.uint64]]) -> list[str]:
    """A sentence for each image whose first copy is in another split; only these images are read again."""
    names, lengths = list(digests), [len(of_split) for of_split in digests.values()]
    starts, home = np.cumsum(lengths) - lengths, np.repeat(np.arange(len(names), dtype=np.uint8), lengths)
    every = np.concatenate(list(digests.values()))
    order = np.argsort(every, kind="stable")
    ranked = every[order]
    begins = np.concatenate([[True], ranked[1:] != ranked[:-1]])[: len(ranked)]  # of a run of equal digests
    firsts = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
    apart = (home[order] != home[firsts]) & (ranked != 0)

    def describe(position: int) -> str:
        name = names[home[position]]
        item = splits[name].items[position - starts[home[position]]]
        return f"{splits[name].read(item)['id']} ({name})"

    twins = sorted(zip(order[apart].tolist(), firsts[apart].tolist(), strict=True))
    return [f"{describe(first)} and {describe(copy)} are the same image" for copy, first in twins]
