"""Faults that make a sample unusable; they are found by reading the sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from afanet.data.sample import Sample
from afanet.errors import InputError
from afanet.tasks import Task


def target_faults(sample: Sample, tasks: Mapping[str, Task]) -> dict[str, str]:
    """A sentence for each task whose target does not have the image's size, or has values that the task cannot have."""
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


def require_sound(faults: Iterable[str]) -> None:
    """Raise `InputError` for the first of a sample's faults."""
    for fault in faults:
        raise InputError(f"{fault}: correct it, or leave it out")
