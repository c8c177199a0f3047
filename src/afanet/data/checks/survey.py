"""Reading a whole data set once: what is in it, what is wrong with it, and what a person should know."""

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
from afanet.data.parallel import in_order
from afanet.data.sample import Data, Reader, Split
from afanet.errors import InputError
from afanet.tasks import PooledTask, Task

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
KEPT_VALUES = 2_000_000  # of a task's numbers in one split, from which its percentiles are had


@dataclass
class TaskSurvey:
    """One task in one split: what is labelled, and how its classes or numbers are spread."""

    labelled: int = 0  # images
    pixels: float = 0.0  # sum over these images of the share of pixels that are labelled
    counts: Tensor | None = None  # of the task's names, in images or pixels
    values: array[float] = field(default_factory=lambda: array("d"))  # some of the numbers
    low: float = float("inf")
    high: float = float("-inf")

    def summary(self, task: Task) -> dict[str, Any]:
        """The figures as plain values."""
        figures: dict[str, Any] = {"labelled": self.labelled}
        if self.labelled:
            figures["labelled_share"] = self.pixels / self.labelled
        if task.names and self.counts is not None:
            figures["counts"] = dict(zip(task.names, self.counts.tolist(), strict=True))
            # of images, where labels are not exclusive too, else of pixels
            figures["total"] = self.labelled if isinstance(task, PooledTask) else int(self.counts.sum())
        elif self.values:
            some = np.percentile(np.frombuffer(self.values), PERCENTILES)
            figures |= {"min": self.low, "max": self.high}
            figures["percentiles"] = dict(zip(map(str, PERCENTILES), some.tolist(), strict=True))
        return figures


@dataclass(frozen=True)
class Survey:
    """What a check found: figures by split, errors on which nothing can be trained, and warnings."""

    describe: str
    splits: dict[str, dict[str, Any]]
    errors: list[str]
    warnings: list[str]

    def plain(self) -> dict[str, Any]:
        """Everything as values that JSON knows."""
        return {"data": self.describe, "splits": self.splits, "errors": self.errors, "warnings": self.warnings}


@dataclass(frozen=True)
class _Seen:
    """What one process tells of one sample."""

    size: tuple[int, int]
    digest: int  # of the pixels; not 0
    faults: list[str]
    tasks: dict[str, tuple[float, Tensor | None, Tensor, float, float]]


class _Look:
    """Reads one item of a split and says what is in it."""

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

    Errors: what `data.problems` has, samples that cannot be read, targets outside their task's range or of another size
    than their image, a person or scene in two splits. Warnings: what `data.warnings` has, an image that stands in two
    splits (told by its pixels), classes that a split for training or testing has none of.

    >>> from afanet.data import open_data
    >>> found = survey(open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1), workers=0)
    >>> found.errors, found.splits["train"]["images"], found.splits["train"]["sizes"]
    ([], 2, {'24x32': 2})
    """
    errors, warnings = [*data.problems, *leaks(data)], list(data.warnings)
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
            "tasks": {task: found.summary(data.tasks[task]) for task, found in tasks.items()},
        }
        warnings += _absent(name, splits[name]["tasks"])
        if not len(split):
            errors.append(f"split {name} has no sample: training needs some of each")
    return Survey(data.describe, splits, errors, warnings + _twins(data.splits, digests))


def _look(split: Split, tasks: Mapping[str, Task]) -> _Look:
    return _Look(split.read, tasks, max(1, KEPT_VALUES // max(1, len(split))))


def _add(tasks: Mapping[str, TaskSurvey], seen: _Seen, every: int) -> None:
    for name, (share, counts, values, low, high) in seen.tasks.items():
        found = tasks[name]
        found.labelled += 1
        found.pixels += share
        if counts is not None:
            found.counts = counts if found.counts is None else found.counts + counts
        else:
            if found.labelled % every == 0:
                found.values.extend(values.tolist())
            found.low, found.high = min(found.low, low), max(found.high, high)


def _absent(split: str, tasks: Mapping[str, dict[str, Any]]) -> list[str]:
    said = []
    for task, figures in tasks.items():
        if not figures["labelled"]:
            said.append(f"split {split} has no label for {task}")
        elif absent := [name for name, count in figures.get("counts", {}).items() if not count]:
            said.append(f"split {split} has no {task} of class {', '.join(absent)}")
    return said


def _twins(splits: Mapping[str, Split], digests: Mapping[str, NDArray[np.uint64]]) -> list[str]:
    """A sentence for each image of which the first of its like stands in another split; these alone are read again."""
    names, lengths = list(digests), [len(found) for found in digests.values()]
    starts, home = np.cumsum(lengths) - lengths, np.repeat(np.arange(len(names), dtype=np.uint8), lengths)
    every = np.concatenate(list(digests.values()))
    order = np.argsort(every, kind="stable")
    ranked = every[order]
    begins = np.concatenate([[True], ranked[1:] != ranked[:-1]])[: len(ranked)]  # of a run of equal digests
    firsts = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
    apart = (home[order] != home[firsts]) & (ranked != 0)

    def told(place: int) -> str:
        name = names[home[place]]
        item = splits[name].items[place - starts[home[place]]]
        return f"{splits[name].read(item)['id']} ({name})"

    twins = sorted(zip(order[apart].tolist(), firsts[apart].tolist(), strict=True))
    return [f"{told(first)} and {told(other)} are the same image" for other, first in twins]
