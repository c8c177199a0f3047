"""Faults that make a sample unusable; the sample is read to detect them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from afanet.data.cache import Cached
from afanet.data.parallel import in_order
from afanet.data.sample import Data, Reader, Sample, Split
from afanet.errors import InputError
from afanet.tasks import Task


def target_faults(sample: Sample, tasks: Mapping[str, Task]) -> dict[str, str]:
    """A sentence for each task whose target has another size than the image, or values that the task cannot have."""
    size = tuple(sample["image"].shape[-2:])
    faults = {}
    for name, task in tasks.items():
        target = sample["targets"].get(name)
        if target is None:
            continue
        target = target.as_subclass(Tensor)
        if target.ndim >= 2 and tuple(target.shape[-2:]) != size:
            target_size = "x".join(map(str, target.shape[-2:]))
            faults[name] = f"{sample['id']}: {name} is {target_size} pixels, expected {size[0]}x{size[1]} as the image"
        elif fault := task.fault(target):
            faults[name] = f"{sample['id']}: {name} has {fault}"
    return faults


def require_sound(sample: Sample, tasks: Mapping[str, Task]) -> None:
    """Raise `InputError` for the sample's first fault."""
    for fault in target_faults(sample, tasks).values():
        raise InputError(f"{fault}: mend it, or leave it out")


def unchecked(data: Data) -> list[Split]:
    """The splits whose files were never read: those of a cache were, and generated ones have none.

    >>> from afanet.data import open_data
    >>> unchecked(open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1))
    []
    """
    return [
        split
        for split in data.splits.values()
        if not isinstance(split.read, Cached) and type(split.read).files is not Reader.files
    ]


def check_samples(
    data: Data, *, workers: int = 2, advance: Callable[[], None] = lambda: None
) -> Counter[tuple[int, int]]:
    """Read every sample of the `unchecked` splits once, in `workers` processes; `advance` is called after each.

    Returns the number of images by their (H, W). Raises `InputError` for the first sample that cannot be read, or that
    has a target of another size than its image or with values outside its task's range. A sample that is read from no
    file is not generated for the check.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    for split in unchecked(data):
        for size in in_order(_Read(split.read, data.tasks), split.items, workers):
            if isinstance(size, InputError):
                raise size
            if size:
                sizes[size] += 1
            advance()
    return sizes


@dataclass(frozen=True)
class _Read:
    """Reads and checks one item if it has files, and keeps the size of its image."""

    reader: Reader
    tasks: Mapping[str, Task]

    def __call__(self, item: Any) -> tuple[int, int] | None:
        if not self.reader.files(item):
            return None
        sample = self.reader(item)
        require_sound(sample, self.tasks)
        height, width = sample["image"].shape[-2:]
        return height, width
