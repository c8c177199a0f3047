"""Measurements of some steps, logged once they have arrived, so that no step waits for them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from afanet.training.records.log import Log


class Measures:
    """Logs scalars that are on `device`: those of a step when the next ones arrive, or at the end.

    Processes without a log have nothing to measure.
    """

    def __init__(self, log: Log | None, device: torch.device) -> None:
        self.log, self.device = log, device
        self.step, self.values = 0, dict[str, Tensor]()
        self.arrived: torch.Event | None = None

    def add(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Take the scalars of a step."""
        self.finish()
        self.step, self.values = step, {name: x.detach().to("cpu", non_blocking=True) for name, x in values.items()}
        if self.device.type != "cpu":
            self.arrived = torch.Event(self.device)
            self.arrived.record()

    def finish(self) -> None:
        """Log what is not logged yet."""
        if self.arrived is not None:
            self.arrived.synchronize()
        if self.log and self.values:
            self.log.scalars({name: float(x) for name, x in self.values.items()}, self.step)
        self.values = {}
