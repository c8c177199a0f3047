"""Checks losses without waiting for the device, and keeps the batch of a loss that is not finite."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from afanet.data import Batch
from afanet.files import whole
from afanet.runs.finite import DivergedError

DUMP = "nonfinite.pt"


@dataclass(frozen=True)
class _Step:
    number: int
    losses: Tensor  # on the CPU, valid once `arrived` is
    arrived: torch.Event | None
    batches: Sequence[Batch]


class LossCheck:
    """Checks each step's losses, on an accelerator one step later, so that no step waits for its own result.

    `last` has the losses that were checked last, by task. With `stop`, the first loss that is not finite ends the run.
    """

    def __init__(self, tasks: Sequence[str], folder: Path, device: torch.device, stop: bool = True) -> None:
        self.tasks = list(tasks)
        self.folder = folder
        self.device = device
        self.stop = stop
        self.last: dict[str, float] = {}
        self.waiting: deque[_Step] = deque()

    def add(self, step: int, losses: Tensor, batches: Sequence[Batch]) -> None:
        """Take the losses (N,) of a step; raises `DivergedError` if these or earlier ones are not finite."""
        on_cpu = losses.to("cpu", non_blocking=True)
        arrived = None
        if self.device.type != "cpu":
            arrived = torch.Event(self.device)
            arrived.record()
        self.waiting.append(_Step(step, on_cpu, arrived, batches))
        while len(self.waiting) > (arrived is not None):
            self._check(self.waiting.popleft())

    def finish(self) -> None:
        """Check all remaining losses, for example before anything is saved."""
        while self.waiting:
            self._check(self.waiting.popleft())

    def why_left_out(self, advice: str) -> str:
        """The end of a sentence about the last step, which was left out: its loss, and what to do."""
        self.finish()
        task, loss = next((task, loss) for task, loss in self.last.items() if not math.isfinite(loss))
        return f"left out, because the loss of task '{task}' was {loss}: look at its labels, or {advice}"

    def _check(self, step: _Step) -> None:
        if step.arrived is not None:
            step.arrived.synchronize()
        self.last = dict(zip(self.tasks, step.losses.tolist(), strict=True))
        bad = [task for task, loss in self.last.items() if not math.isfinite(loss)]
        if not bad or not self.stop:
            return
        ids = [name for batch in step.batches for name in batch["id"]]
        several = dist.is_initialized() and dist.get_world_size() > 1
        file = self.folder / (f"nonfinite-{dist.get_rank()}.pt" if several else DUMP)
        with whole(file) as partial:
            torch.save({"step": step.number, "losses": self.last, "batches": list(step.batches)}, partial)
        raise DivergedError(
            f"the loss of task '{bad[0]}' is {self.last[bad[0]]} at step {step.number + 1}, in the batch of "
            f"{', '.join(ids)}, kept in {file}: look at its labels, lower optimizer.lr, or set skip_nonfinite"
        )
