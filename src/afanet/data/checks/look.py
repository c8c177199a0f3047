"""Summarises single samples, and sums over the samples of a split."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from afanet.data.channels import Channels
from afanet.data.checks.faults import target_faults
from afanet.data.sample import Sample, Split
from afanet.errors import InputError
from afanet.tasks import DenseTask, PooledTask, Task

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
KEPT_VALUES = 2_000_000  # of a task in one split, from which percentiles are computed


@dataclass(frozen=True)
class Seen:
    """What a worker process reports about one sample, such as the share of labelled pixels for each task."""

    size: tuple[int, int]
    digest: int  # of the pixels; not 0
    faults: list[str]
    tasks: dict[str, tuple[float, Tensor | None, Tensor, float, float]]


class Look:
    """Reads one item of a split and summarises it; if `channels` of a network are given, images must fit them."""

    def __init__(self, split: Split, tasks: Mapping[str, Task], channels: int | None = None):
        self.reader = split.read
        self.tasks = tasks
        self.channels = Channels(channels) if channels else None
        self.values = max(1, KEPT_VALUES // max(1, len(split)))  # of a sample

    def __call__(self, item: Any) -> Seen:
        sample = self.reader(item)
        if self.channels:
            try:
                self.channels(sample["image"])
            except InputError as error:
                raise InputError(f"{sample['id']}: {error}") from None
        return self.see(sample)

    def see(self, sample: Sample) -> Seen:
        """The summary of a sample that has been read."""
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
                tasks[name] = (
                    labelled.count_nonzero().item() / labelled.numel(),
                    *self._values(task, target, labelled),
                )
            elif isinstance(task, DenseTask):
                tasks[name] = (0.0, None, torch.empty(0), 0.0, 0.0)
        digest = blake2b(image.numpy(), key=repr(size).encode(), digest_size=8).digest()
        return Seen(size, int.from_bytes(digest) or 1, list(faults.values()), tasks)

    def _values(self, task: Task, target: Tensor, labelled: Tensor) -> tuple[Tensor | None, Tensor, float, float]:
        if task.names:
            return task.tally(target), torch.empty(0), 0.0, 0.0
        numbers = target[labelled.expand_as(target)].flatten()
        some = numbers[:: max(1, len(numbers) // self.values)]
        return None, some, numbers.min().item(), numbers.max().item()


@dataclass
class TaskSums:
    """One task in one split: how much is labelled, and how its classes or numbers are distributed."""

    labelled: int = 0  # images
    blank: int = 0  # images whose map has no labelled pixel
    pixels: float = 0.0  # sum over the labelled images of their shares of labelled pixels
    counts: Tensor | None = None  # of the task's names, in images or pixels
    values: array[float] = field(default_factory=lambda: array("d"))  # some of the numbers
    low: float = float("inf")
    high: float = float("-inf")

    def summary(self, task: Task) -> dict[str, Any]:
        """The statistics as plain values."""
        statistics: dict[str, Any] = {"labelled": self.labelled}
        if self.blank:
            statistics["blank"] = self.blank
        if self.labelled:
            statistics["labelled_share"] = self.pixels / self.labelled
            if isinstance(task, PooledTask) and self.pixels < self.labelled:
                statistics["labelled_of"] = "entries"  # for several labels or numbers; otherwise pixels
        if task.names and self.counts is not None:
            statistics["counts"] = dict(zip(task.names, self.counts.tolist(), strict=True))
            # share of images, also for labels that are not exclusive; otherwise of pixels
            statistics["total"] = self.labelled if isinstance(task, PooledTask) else int(self.counts.sum())
        elif self.values:
            some = np.percentile(np.frombuffer(self.values), PERCENTILES)
            statistics |= {"min": self.low, "max": self.high}
            statistics["percentiles"] = dict(zip(map(str, PERCENTILES), some.tolist(), strict=True))
        return statistics


class SplitSums:
    """The sums over the samples of a split; `digests` has one number for each item, 0 if the item was not read."""

    def __init__(self, split: Split, tasks: Mapping[str, Task]):
        self.tasks = tasks
        self.sums = {task: TaskSums() for task in tasks}
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.digests: NDArray[np.uint64] = np.zeros(len(split), np.uint64)
        self.every = max(1, len(split) // KEPT_VALUES)

    def add(self, index: int, seen: Seen) -> None:
        """Add the item number `index` to the sums."""
        self.sizes[seen.size] += 1
        self.digests[index] = seen.digest
        for name, (share, counts, values, low, high) in seen.tasks.items():
            task = self.sums[name]
            if not share:
                task.blank += 1
                continue
            task.labelled += 1
            task.pixels += share
            if counts is not None:
                task.counts = counts if task.counts is None else task.counts + counts
                continue
            if task.labelled % self.every == 0:
                task.values.frombytes(values.double().numpy().tobytes())
            task.low, task.high = min(task.low, low), max(task.high, high)

    def summary(self) -> dict[str, Any]:
        """The statistics as plain values; `unread` counts the items that were not read, if there are any."""
        unread = len(self.digests) - self.sizes.total()
        return {
            "images": self.sizes.total(),
            **({"unread": unread} if unread else {}),
            "sizes": {f"{height}x{width}": count for (height, width), count in self.sizes.most_common()},
            "tasks": {name: sums.summary(self.tasks[name]) for name, sums in self.sums.items()},
        }
