"""Losses that are no finite number: found without waiting for the device, and kept with the batch that they came of."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from afanet.data import Batch
from afanet.errors import InputError

DUMP = "nonfinite.pt"


class FiniteWatch:
    """Looks at each step's losses, on an accelerator one step later, so that no step waits for its own result."""

    def __init__(self, tasks: Sequence[str], folder: Path, device: torch.device) -> None:
        self.tasks = list(tasks)
        self.folder = folder
        self.lag = 0 if device.type == "cpu" else 1
        self.waiting: deque[tuple[int, Tensor, Sequence[Batch]]] = deque()

    def add(self, step: int, losses: Tensor, batches: Sequence[Batch]) -> None:
        """Take the losses (N,) of a step; raises `InputError` for an earlier one, or this, that is not finite."""
        self.waiting.append((step, losses, batches))
        while len(self.waiting) > self.lag:
            self._look(*self.waiting.popleft())

    def finish(self) -> None:
        """Look at all that is left, as before anything is saved."""
        while self.waiting:
            self._look(*self.waiting.popleft())

    def _look(self, step: int, losses: Tensor, batches: Sequence[Batch]) -> None:
        if losses.isfinite().all():
            return
        values = dict(zip(self.tasks, losses.tolist(), strict=True))
        task = next(name for name, loss in zip(self.tasks, losses, strict=True) if not loss.isfinite())
        ids = [name for batch in batches for name in batch["id"]]
        several = dist.is_initialized() and dist.get_world_size() > 1
        name = f"nonfinite-{dist.get_rank()}.pt" if several else DUMP
        torch.save({"step": step, "losses": values, "batches": list(batches)}, self.folder / name)
        raise InputError(
            f"the loss of task '{task}' is {values[task]} at step {step + 1}, in the batch of {', '.join(ids)}, kept "
            f"in {self.folder / name}: look at its labels, lower optimizer.lr, or set skip_nonfinite"
        )
