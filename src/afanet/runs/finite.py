"""Checks for weights that are not finite, and the messages of a run that fails because of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from afanet.errors import InputError
from afanet.tasks import Task

if TYPE_CHECKING:
    from afanet.runs.folder import RunFolder


class DivergedError(InputError):
    """Training cannot go on, or cannot be scored, because losses, weights or predictions are not finite."""


def find_nonfinite(tensors: Mapping[str, Tensor]) -> str | None:
    """The tensors that hold NaN or infinity, in words; None if all are finite. Waits for the device once.

    >>> find_nonfinite({"a": torch.ones(2), "b": torch.tensor([0.0, torch.nan]), "c": torch.tensor(torch.inf)})
    "'b' and 1 more tensor"
    """
    if not tensors:
        return None
    whole = torch.stack([tensor.isfinite().all() for tensor in tensors.values()]).tolist()
    names = [name for name, finite in zip(tensors, whole, strict=True) if not finite]
    if not names:
        return None
    more = len(names) - 1
    return f"'{names[0]}'" + (f" and {more} more tensor{'s' if more > 1 else ''}" if more else "")


def require_finite(weights: Mapping[str, Tensor], file: Path) -> None:
    """Raise `InputError` if weights read from `file` are not finite: then the network's outputs are not either."""
    if names := find_nonfinite(weights):
        raise InputError(
            f"{file} holds weights that are not finite ({names}), so its network has no outputs: train the run again "
            "with a lower optimizer.lr, or with optimizer.clip"
        )


def list_metrics(tasks: Mapping[str, Task]) -> str:
    """A clause that says that each task lacks its main metric; of more than three tasks, three are named.

    >>> from afanet.tasks import Depth
    >>> list_metrics({"near": Depth(), "far": Depth()})
    'near has no abs and far has no abs'
    """
    missing = [f"{name} has no {task.main_metric}" for name, task in tasks.items()]
    more = [f"{len(missing) - 3} more tasks have no score"] if len(missing) > 3 else []
    return " and ".join(missing[:3] + more)


def what_to_do(folder: RunFolder, step: int | None) -> str:
    """The end of a message: what may help, where to look, and the last checkpoint, of `step` (None: there is none)."""
    help = "lower optimizer.lr or set optimizer.clip, and train again"
    if step is None:
        return f"{help}; no checkpoint was kept"
    return (
        f"{help} into another folder with --out; {folder.log} shows the losses, and {folder.checkpoint} is of step "
        f"{step}, whose weights are finite"
    )
