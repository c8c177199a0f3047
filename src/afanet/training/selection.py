"""The choice of the best epoch by the validation split."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from afanet.errors import InputError, unknown
from afanet.recipe.schema import Recipe
from afanet.tasks import Task

Watch = Callable[[int, Mapping[str, Mapping[str, float]]], None]  # takes an epoch and its scores


class Why(NamedTuple):
    """The `key` of a recipe that needs the validation split, as a clause, and what to do `otherwise`."""

    key: str
    otherwise: str


SELECTS = Why("select is 'validation'", "select 'last'")


def why_validation(recipe: Recipe) -> Why | None:
    """Why a recipe needs the scores on the validation split; None if it does not."""
    if recipe.select_by is not None:
        return Why(f"select.by is '{recipe.select_by}'", "select 'last'")
    if recipe.selects:
        return SELECTS
    if recipe.stop.patience is not None:
        return Why(f"stop.patience is {recipe.stop.patience}", "leave stop.patience out")
    return None


def read_by(by: str | None, tasks: Mapping[str, Task]) -> tuple[str, str] | None:
    """The task and the metric that `select.by` names as TASK or TASK.METRIC; None without it.

    Raises `InputError` for an unknown task or metric, and suggests the nearest.

    >>> from afanet.tasks import Depth
    >>> read_by("depth", {"depth": Depth()}), read_by("depth.rmse", {"depth": Depth()})
    (('depth', 'abs'), ('depth', 'rmse'))
    """
    if by is None:
        return None
    name, dot, metric = by.partition(".")
    if name not in tasks:
        raise unknown("task of select.by", name, tasks)
    metric = metric if dot else tasks[name].main_metric
    if metric not in tasks[name].higher_is_better:
        raise unknown(f"metric of task '{name}' in select.by", metric, tasks[name].higher_is_better)
    return name, metric


class Selection:
    """Remembers the best epoch by the validation split, one epoch for all tasks.

    With `select.by`, an epoch's value is that score, negated if lower is better. Without it, the value is the mean over
    tasks of the signed relative change of their main metrics since the first epoch, where higher is better; tasks
    without a label there are left out.

    >>> from afanet.recipe.load import load_recipe
    >>> from afanet.tasks import Depth
    >>> selection = Selection({"depth": Depth()}, load_recipe("rooms"))
    >>> [selection.add({"depth": {"abs": error}}, epoch) for epoch, error in enumerate((1.0, 0.8, 0.9), start=1)]
    [True, True, False]
    >>> selection.epoch
    2
    """

    def __init__(self, tasks: Mapping[str, Task], recipe: Recipe) -> None:
        self.tasks = tasks
        self.recipe = recipe
        self.by = read_by(recipe.select_by, tasks)
        self.first: dict[str, float] = {}
        self.best = float("-inf")
        self.epoch = 0

    def add(self, scores: Mapping[str, Mapping[str, float]], epoch: int) -> bool:
        """Whether these are the best scores so far; an epoch that lacks an earlier score is never best.

        Raises `InputError` if there is no score by which to compare epochs.
        """
        value = self._change(scores) if self.by is None else self._score(scores, *self.by)
        better = value > self.best
        if better:
            self.best, self.epoch = value, epoch
        return better

    def why_stopped(self, epoch: int) -> str:
        """A line that says why training stopped after `epoch`, and which epoch is kept."""
        since = f"since epoch {self.epoch}" if self.epoch else "in any epoch"
        measure = "scores" if self.by is None else f"{self.by[0]} {self.by[1]}"
        kept = "" if self.recipe.selects else f", and epoch {epoch} is kept, since select is 'last'"
        return (
            f"stopped after epoch {epoch} of {self.recipe.epochs}: no better {measure} on the validation split {since} "
            f"(stop.patience {self.recipe.stop.patience}){kept}"
        )

    def _score(self, scores: Mapping[str, Mapping[str, float]], task: str, metric: str) -> float:
        """The score that `select.by` names, positive if higher is better."""
        score = scores[task][metric]
        if not math.isfinite(score):
            if self.epoch:
                return -math.inf
            raise InputError(
                f"select.by is '{self.recipe.select_by}', but the validation split gives {metric} of task '{task}' no "
                "value, since labels are missing or all the same: select by another score, or label the split"
            )
        return score if self.tasks[task].higher_is_better[metric] else -score

    def _change(self, scores: Mapping[str, Mapping[str, float]]) -> float:
        """The mean change over tasks since the first epoch; -inf if a task lost its score."""
        main = {name: scores[name][task.main_metric] for name, task in self.tasks.items()}
        known = [name for name, score in main.items() if math.isfinite(score)]
        if not known:
            key, otherwise = why_validation(self.recipe) or SELECTS
            raise InputError(
                f"{key}, but the validation split has no label of any task, or labels of one class: {otherwise}, or "
                "label the split"
            )
        self.first = main | {name: score for name, score in self.first.items() if math.isfinite(score)}
        if any(math.isfinite(score) and name not in known for name, score in self.first.items()):
            return -math.inf
        return sum(self._change_of(name, main[name]) for name in known) / len(known)

    def _change_of(self, name: str, score: float) -> float:
        """The relative change of a task's main metric since the first epoch, positive if better."""
        task, first = self.tasks[name], self.first[name]
        return (1 if task.higher_is_better[task.main_metric] else -1) * (score - first) / max(abs(first), 1e-12)

    def state(self) -> dict[str, Any]:
        """The state, as plain values."""
        return {"first": self.first, "best": self.best, "epoch": self.epoch}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from the `state` of another selection."""
        self.first, self.best, self.epoch = state["first"], state["best"], state["epoch"]
