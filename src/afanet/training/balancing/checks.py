"""Refuses, before training, combinations that a balancing method does not support."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from afanet.errors import InputError, shown, unknown
from afanet.training.balancing.methods import find_balancing


def check_combination(
    name: str, *, tasks: int, shared: bool, guarded: bool, accumulate: int, compile: bool, precision: str
) -> None:
    """Refuse combinations that balancing by `name` does not support.

    Args:
        name: the method.
        tasks: the number of tasks.
        shared: whether several tasks share any parameter.
        guarded: whether the network has a gradient guard.
        accumulate: batches per step of the optimiser.
        compile: whether the network is compiled.
        precision: the precision that the network computes in; weights are float32 under float32 and bf16 (autocast).

    Raises:
        InputError: for the first combination that is impossible, with the reason.

    >>> check_combination("pcgrad", tasks=2, shared=False, guarded=False, accumulate=1, compile=False, precision="bf16")
    Traceback (most recent call last):
    afanet.errors.InputError: balancing by 'pcgrad' combines the gradients of shared parameters, but ...
    """
    row = find_balancing(name)
    if tasks < row.fewest:
        raise InputError(f"balancing by '{name}' needs two tasks or more, found {tasks}: balance by 'equal'")
    if row.after_step and accumulate > 1:
        raise InputError(
            f"balancing by '{name}' compares a batch's losses before and after a step, but {accumulate} batches are "
            "accumulated in one step: set accumulate to 1, or balance by 'dwa'"
        )
    if row.kind == "loss":
        return
    start = f"balancing by '{name}' combines the gradients of shared parameters"
    losses = "or balance the losses, by 'uw' for one"
    if not shared:
        raise InputError(
            f"{start}, but the tasks share none that learn (method single shares none, and frozen ones have no "
            "gradient): balance by 'equal'"
        )
    if guarded:
        raise InputError(
            f"{start} in a backward pass for each task, where a gradient guard has no gradient of the other "
            f"branches to compare with: remove the guard, {losses}"
        )
    if accumulate > 1:
        raise InputError(
            f"{start} of one batch, but {accumulate} batches are accumulated: set accumulate to 1, {losses}"
        )
    if compile:
        raise InputError(
            f"{start} in a backward pass for each task, but a compiled network has one backward graph for all: "
            f"do not compile, {losses}"
        )
    if precision not in ("float32", "bf16"):
        raise InputError(
            f"{start}, which precision '{precision}' stores or scales differently from float32: "
            f"choose float32 or bf16, {losses}"
        )


def check_weights(name: str, tasks: Sequence[str], weights: Mapping[str, float]) -> list[float]:
    """The weights of balancing by `name` in the order of the tasks; empty for a method without weights.

    Raises `InputError` for weights that the method does not take, for a task without a weight or a weight without a
    task, and for a weight that is not a finite number above 0.

    >>> check_weights("fixed", ["depth", "normals"], {"normals": 2, "depth": 0.5})
    [0.5, 2.0]
    """
    if not find_balancing(name).named:
        if weights:
            raise InputError(
                f"balancing by '{name}' takes no weights, found one for '{next(iter(weights))}': leave "
                "balancing.weights out, or balance by 'fixed'"
            )
        return []
    for task, weight in weights.items():
        if task not in tasks:
            raise unknown("task under balancing.weights", task, tasks)
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not (number and weight > 0 and math.isfinite(weight)):
            raise InputError(
                f"balancing.weights of task '{task}' is {shown(weight)}, expected a finite number above 0: to train "
                "without a task, leave it out of tasks"
            )
    for task in tasks:
        if task not in weights:
            raise InputError(
                f"balancing by '{name}' needs a weight for each task, and balancing.weights has none for '{task}': "
                f"add it, such as {task}: 1"
            )
    return [float(weights[task]) for task in tasks]
