"""The options of a task's loss in a recipe: `weight`, which every kind of task has, and those of the kind."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

from afanet.errors import InputError, shown, unknown
from afanet.tasks.meaning import is_number
from afanet.tasks.task import Task

WEIGHT = "weight"
LEAST, MOST = 1e-30, 1e30  # of a factor, so that float32 holds it and its products with losses


def choose_loss(task: Task, options: Mapping[str, Any]) -> Task:
    """The task with the loss that a recipe's `losses.TASK` describes.

    `weight` becomes the task's `loss_weight`; the kind's `with_loss` sees the other options alone. Raises `InputError`
    for a weight that is not a number from 1e-30 to 1e30, and as `with_loss` does.

    >>> from afanet.tasks import Depth
    >>> task = choose_loss(Depth(), {"name": "berhu", "weight": 2})
    >>> task.loss_name, task.loss_weight
    ('berhu', 2.0)
    """
    weight = options.get(WEIGHT, 1)
    if not is_number(weight) or not LEAST <= weight <= MOST:
        raise InputError(
            f"weight of the loss of task '{task.name}' is {shown(weight)}, expected a number above 0 "
            f"({LEAST:g} to {MOST:g})"
        )
    of_kind = {key: value for key, value in options.items() if key != WEIGHT}
    changed = copy.copy(task) if WEIGHT in options and not of_kind else task.with_loss(of_kind)
    changed.loss_weight = float(weight)
    return changed


def require_options(task: str, options: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise `InputError` for an option that is not among those `known` to the loss of a task.

    >>> require_options("age", {"nam": "l1"}, ["name"])
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: unknown option of the loss of task 'age' 'nam', did you mean 'name'? (known: name, weight)
    """
    for key in options:
        if key not in known:
            raise unknown(f"option of the loss of task '{task}'", str(key), [*known, WEIGHT])
