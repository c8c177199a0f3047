"""Whether a data set can be resident: it has a cache, its steps and targets are supported, and it fits the memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from afanet import limits
from afanet.data.cache import WHOLE, Cached
from afanet.data.resident.split import Resident
from afanet.data.resident.steps import steps_of
from afanet.data.sample import Data, Split
from afanet.errors import InputError
from afanet.tasks import Task
from afanet.tasks.maps import target_types


def resident(data: Data, tasks: Mapping[str, Task], device: torch.device) -> Data:
    """The data with every split in the memory of a device, for these tasks; raises as `require_resident` does."""
    require_resident(data, tasks, device)
    splits: dict[str, Any] = {
        name: Resident(split, name, tasks, device) if len(split) else split for name, split in data.splits.items()
    }
    return replace(data, **splits)


def require_resident(data: Data, tasks: Mapping[str, Task], device: torch.device) -> None:
    """Raise `InputError` if the data cannot be resident on a device.

    Reasons are: no cache, a transform step that is not supported, a target of an unknown type, and too little memory.
    """
    needed = 0
    for name, split in data.splits.items():
        if len(split):
            needed += _bytes(split, name, tasks)
            origins = {split.read.origin(item) for item in split.items}
            steps = [steps_of(split.transform, origin, name) for origin in origins]
            if len(steps) > 1 and any(of_part.before or of_part.after for of_part in steps):
                raise InputError(
                    f"data.resident cannot serve steps of the frame, such as EigenCrop, of one of several data sets in "
                    f"the {name} split: leave data.resident out"
                )
    free = free_bytes(device)
    if needed > free:
        raise InputError(
            f"data.resident needs {needed / 1e6:,.1f} MB in the memory of {device}, and {free / 1e6:,.1f} MB are free "
            "there: lower data.size, train fewer tasks, or leave data.resident out"
        )


def free_bytes(device: torch.device) -> int:
    """The free bytes of a device's memory."""
    match device.type:
        case "cuda":
            return torch.cuda.mem_get_info(device)[0]
        case "mps":
            return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        case _:
            return limits.available_memory()


def _bytes(split: Split, name: str, tasks: Mapping[str, Task]) -> int:
    """The bytes of a split's images and of the targets of these tasks."""
    cached = split.read
    if not isinstance(cached, Cached):
        raise InputError(
            f"data.resident keeps the prepared samples in memory, and the {name} split has none: run `afanet data "
            "prepare` with this recipe first, or leave data.resident out"
        )
    for task in tasks:
        kind = cached.index["kinds"].get(task, "Tensor")
        if kind not in (*WHOLE, *target_types()):
            raise InputError(
                f"data.resident cannot serve task '{task}', whose targets are {kind!r:.60}, expected a tensor or a map "
                "of one shape for all samples: leave data.resident out, or the task"
            )
    arrays = [cached.images, *(array for task, array in cached.targets.items() if task in tasks)]
    return sum(array.nbytes for array in arrays)
