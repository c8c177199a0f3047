"""The choice of the best epoch by the validation split."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from afanet.errors import InputError
from afanet.tasks import Task


class Selection:
    """Remembers the best epoch by the validation split, one epoch for all tasks.

    An epoch's value is the mean over tasks of the signed relative change of their main metrics since the first epoch,
    higher being better; tasks without a label there are left out.

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
        """Whether these are the best scores so far; an epoch that lacks a task scored before never is the best.

        Raises `InputError` where no task has a score, because then the epochs cannot be compared.
        """
        main = {name: scores[name][task.main_metric] for name, task in self.tasks.items()}
        known = [name for name, score in main.items() if math.isfinite(score)]
        if not known:
            raise InputError(
                "select is 'validation', and the validation split has no label of any task, or labels of one class: "
                "select 'last', or label it"
            )
        self.first = main | {name: score for name, score in self.first.items() if math.isfinite(score)}
        if any(math.isfinite(score) and name not in known for name, score in self.first.items()):
            return False
        value = sum(self._change(name, main[name]) for name in known) / len(known)
        better = value > self.best
        if better:
            self.best, self.epoch = value, epoch
        return better

    def _change(self, name: str, score: float) -> float:
        """The relative change of a task's main metric since the first epoch, positive if better."""
        task, first = self.tasks[name], self.first[name]
        return (1 if task.higher_is_better[task.main_metric] else -1) * (score - first) / max(abs(first), 1e-12)

    def state(self) -> dict[str, Any]:
        """The state, as plain values."""
        return {"first": self.first, "best": self.best, "epoch": self.epoch}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from the `state` of another selection."""
        self.first, self.best, self.epoch = state["first"], state["best"], state["epoch"]
