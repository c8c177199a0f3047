"""A census of the training split: how often each class occurs, and in which samples, counted once and then kept.

The counts are in the cache folder of the data, in a file `CONTENT-labels-DIGEST.npz` for each task: CONTENT is the
hash that caches of samples have, DIGEST a hash of the task's meaning.
"""

from __future__ import annotations

import zipfile
import zlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor

from afanet.data.cache import content_key, originals, read_seen
from afanet.data.parallel import in_order
from afanet.data.sample import Data, Split
from afanet.errors import InputError
from afanet.files import path_in, require_regular, whole, write_whole
from afanet.json_text import to_json
from afanet.tasks import PooledTask, Task

PART = "-labels-"
FORMAT = 1  # of the files and of what is counted

Ints = NDArray[np.int64]
Counted = dict[str, tuple[Tensor, Tensor]]  # of a sample, by task: its occurrences, and the numbers of its names


@dataclass(frozen=True)
class Census:
    """The counts of one task in the training split.

    Args:
        counts: how often each of the task's `occurrences` is in the split, (K,).
        samples: the numbers of the samples that are labelled for the task, in their order, (S,).
        pairs: the number of a sample and that of a name in it, for every name of the task in every sample, (P, 2).
    """

    counts: Ints
    samples: Ints
    pairs: Ints


def take_census(
    data: Data, names: Sequence[str], folder: Path, workers: int, advance: Callable[[], None] = lambda: None
) -> dict[str, Census]:
    """The census of some of the tasks of `data`, read from the files in `folder`, or counted now and kept there.

    Maps are counted as evaluation sees them: at the data's size, without augmentation. Values of whole images are read
    without the images if the data set can do so. `advance` is called after every sample. If there are several
    processes, one counts while the others wait. Raises `InputError` for a sample that cannot be read, and for a folder
    that cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            content, seen = content_key(originals(data), read_seen(folder))
            files = {name: _file(folder, content, data.tasks[name]) for name in names}
            kept = {name: _read(file, data.tasks[name]) for name, file in files.items()}
            absent = {name: data.tasks[name] for name, census in kept.items() if census is None}
            if absent:
                write_whole(folder / "files.json", to_json(seen))
            counted = _count(data, absent, workers, advance) if absent else {}
            for name, census in counted.items():
                _write(files[name], census)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"the counts of the labels cannot be kept in {folder} ({reason}): make room, or set AFANET_CACHE to a "
            "folder that can be written"
        ) from None
    return {name: census for name, census in (kept | counted).items() if census is not None}


class _Counter:
    """Counts the labels of some tasks in an item of a split, without reading its image if the reader can do so."""

    def __init__(self, split: Split, tasks: Mapping[str, Task]):
        self.split, self.tasks = split, tasks
        self.pooled = all(isinstance(task, PooledTask) for task in tasks.values())

    @property
    def is_quick(self) -> bool:
        """Whether only values of whole images are read."""
        return self.pooled and len(self.split) > 0 and self.split.read.values(self.split.items[0]) is not None

    def __call__(self, index: int) -> Counted:
        read = self.split.read
        targets = read.values(self.split.items[index]) if self.pooled else None
        if targets is None:
            targets = (read(self.split.items[index]) if self.pooled else self.split[index])["targets"]
        counted: Counted = {}
        for name, task in self.tasks.items():
            if name in targets and task.labelled(target := targets[name].as_subclass(Tensor)).any():
                present = task.tally(target).nonzero()[:, 0] if task.names else torch.zeros(0, dtype=torch.int64)
                counted[name] = task.occurrences(target[None]), present
        return counted


def _count(data: Data, tasks: Mapping[str, Task], workers: int, advance: Callable[[], None]) -> dict[str, Census]:
    counter = _Counter(Split(data.train.read, data.train.items, data.test.transform), tasks)
    counts = {name: _nothing(task) for name, task in tasks.items()}
    samples, pairs = ({name: array("q") for name in tasks} for _ in range(2))
    indices = range(len(data.train))
    for index, counted in enumerate(in_order(counter, indices, 0 if counter.is_quick else workers)):
        if isinstance(counted, InputError):
            raise counted
        for name, (occurrences, present) in counted.items():
            counts[name] += occurrences.numpy()
            samples[name].append(index)
            for number in present.tolist():
                pairs[name].extend((index, number))
        advance()
    return {
        name: Census(counts[name], np.array(samples[name], np.int64), np.array(pairs[name], np.int64).reshape(-1, 2))
        for name in tasks
    }


def _nothing(task: Task) -> Ints:
    """The counts of a task without any label."""
    nothing: Ints = task.occurrences(task.unlabelled((1, 1))[None]).numpy()
    return nothing.copy()


def _file(folder: Path, content: str, task: Task) -> Path:
    meaning = to_json([FORMAT, task.name, task.meaning], sort_keys=True)
    return path_in(folder, f"{content}{PART}{blake2b(meaning.encode(), digest_size=8).hexdigest()}.npz")


def _read(file: Path, task: Task) -> Census | None:
    """The census in a file; None if the file is missing or damaged, since the census can be taken again."""
    try:
        with np.load(require_regular(file), allow_pickle=False) as stored:
            arrays: list[Any] = [
                stored[name].astype(np.int64, casting="safe") for name in ("counts", "samples", "pairs")
            ]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    counts, samples, pairs = arrays
    if counts.shape != _nothing(task).shape or samples.ndim != 1 or pairs.shape[1:] != (2,):
        return None
    return Census(counts, samples, pairs)


def _write(file: Path, census: Census) -> None:
    with whole(file) as partial, partial.open("wb") as stream:
        np.savez_compressed(stream, counts=census.counts, samples=census.samples, pairs=census.pairs)
