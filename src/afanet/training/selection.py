"""Which epoch of a run is kept where the validation split decides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from afanet.tasks import Task


class Selection:
    """Remembers the best epoch by the validation split, one epoch for all tasks.

    An epoch's value is the mean over tasks of the signed relative change of their main metrics since the first epoch,
    higher being better; tasks without a label there have no part in it.

    >>> from afanet.tasks import Depth
    >>> selection = Selection({"depth": Depth()})
    >>> [selection.add({"depth": {"abs": error}}, epoch) for epoch, error in enumerate((1.0, 0.8, 0.9), start=1)]
    [True, True, False]
    >>> selection.epoch
    2
    """

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self.tasks = tasks
        self.first: dict[str, float] = {}
        self.best = float("-inf")
        self.epoch = 0

    def add(self, scores: Mapping[str, Mapping[str, float]], epoch: int) -> bool:
        """Whether these are the best scores so far."""
        main = {name: scores[name][task.main_metric] for name, task in self.tasks.items()}
        self.first = self.first or main
        changes = [
            (1 if task.higher_is_better[task.main_metric] else -1)
            * (main[name] - self.first[name])
            / max(abs(self.first[name]), 1e-12)
            for name, task in self.tasks.items()
        ]
        known = [change for change in changes if math.isfinite(change)]
        value = sum(known) / len(known) if known else 0.0
        better = value > self.best
        if better:
            self.best, self.epoch = value, epoch
        return better

    def state(self) -> dict[str, Any]:
        """What it remembers."""
        return {"first": self.first, "best": self.best, "epoch": self.epoch}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Remember what another did."""
        self.first, self.best, self.epoch = state["first"], state["best"], state["epoch"]
