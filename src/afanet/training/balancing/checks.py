"""Refuses, before training, what a balancing method cannot be combined with."""

from __future__ import annotations

from afanet.errors import InputError
from afanet.training.balancing.methods import find_balancing


def check_combination(
    name: str, *, tasks: int, shared: bool, guarded: bool, accumulate: int, compile: bool, precision: str
) -> None:
    """Refuse what balancing by `name` cannot be combined with.

    Args:
        name: the method.
        tasks: how many there are.
        shared: whether any parameter is reached by several tasks.
        guarded: whether the network has a gradient guard.
        accumulate: batches per step of the optimiser.
        compile: whether the network is compiled.
        precision: what the network computes in; weights are float32 under float32 and bf16 (autocast).

    Raises:
        InputError: for the first combination that is impossible, with the reason.

    >>> check_combination("pcgrad", tasks=2, shared=False, guarded=False, accumulate=1, compile=False, precision="bf16")
    Traceback (most recent call last):
    afanet.errors.InputError: balancing by 'pcgrad' combines the gradients of shared parameters, and ...
    """
    row = find_balancing(name)
    if tasks < row.fewest:
        raise InputError(f"balancing by '{name}' needs two tasks or more, found {tasks}: balance by 'equal'")
    if row.after_step and accumulate > 1:
        raise InputError(
            f"balancing by '{name}' compares a batch's losses before and after a step, and {accumulate} batches are "
            "accumulated in one: accumulate none, or balance by 'dwa'"
        )
    if row.kind == "loss":
        return
    start = f"balancing by '{name}' combines the gradients of shared parameters"
    losses = "or balance the losses, by 'uw' for one"
    if not shared:
        raise InputError(f"{start}, and the tasks share none (method single shares nothing): balance by 'equal'")
    if guarded:
        raise InputError(
            f"{start} in a backward pass for each task, in which a gradient guard has no gradient of the other "
            f"branches to compare with: take the guard away, {losses}"
        )
    if accumulate > 1:
        raise InputError(
            f"{start} of one batch, and {accumulate} batches are accumulated in one step: accumulate none, {losses}"
        )
    if compile:
        raise InputError(
            f"{start} in a backward pass for each task, and a compiled network has one backward graph for all of them: "
            f"do not compile, {losses}"
        )
    if precision not in ("float32", "bf16"):
        raise InputError(
            f"{start}, which precision '{precision}' holds or scales other than float32: "
            f"choose float32 or bf16, {losses}"
        )
