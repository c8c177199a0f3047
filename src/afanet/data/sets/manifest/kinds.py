"""The tasks that a recipe declares for a manifest's columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from afanet.data.task_names import name_fault
from afanet.declared import declare
from afanet.errors import InputError, shown, unknown
from afanet.tasks.column import Column
from afanet.tasks.kinds import ALIASES, KINDS
from afanet.tasks.label import CONFIDENCE, MACHINE
from afanet.tasks.sides import read_swap, sides_fault
from afanet.tasks.task import Task

COLUMNS = ("image", "split", "group", MACHINE)


def declare_tasks(tasks: Mapping[str, Any]) -> dict[str, tuple[Column, Task]]:
    """The columns and tasks that a recipe declares, by name.

    Raises `InputError` for a name, kind or key that cannot be used.

    >>> declare_tasks({"age": {"kind": "regression", "range": [0, 100]}})["age"][0].range
    (0.0, 100.0)
    >>> declare_tasks({"age": {"kind": "regresion", "range": [0, 100]}})
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: task 'age': unknown kind 'regresion', did you mean 'regression'? ...
    """
    if not tasks:
        raise InputError("data set 'manifest' has no 'tasks', expected one for each column of labels, with its 'kind'")
    for name in map(str, tasks):
        if (of := name.removesuffix(CONFIDENCE)) != name and of in tasks:
            raise InputError(
                f"task name '{name}' is that of the column with the confidence of '{of}': rename the task and its "
                f"column, such as to '{_usable(name)}'"
            )
    return {str(name): _declare_task(str(name), declaration) for name, declaration in tasks.items()}


def _declare_task(name: str, declaration: Any) -> tuple[Column, Task]:
    if fault := "is taken" if name in COLUMNS else name_fault(name):
        raise InputError(f"task name '{name}' {fault}: rename the task and its column, such as to '{_usable(name)}'")
    if not isinstance(declaration, Mapping) or "kind" not in declaration:
        raise InputError(f"task '{name}' is {shown(declaration)}, expected its 'kind': {', '.join(KINDS)}")
    kind = ALIASES.get(str(declaration["kind"]), str(declaration["kind"]))
    if kind not in KINDS:
        raise InputError(f"task '{name}': {unknown('kind', kind, KINDS)}")
    keys = {key: value for key, value in declaration.items() if key != "kind"}
    column = declare(KINDS[kind].column_class, keys, f"{kind} task '{name}'")
    task = column.task(name)
    task.kind = kind
    if not column.mirror:
        task.mirror = False
    if swap := getattr(column, "swap", {}):
        task.swap = read_swap(name, task.sided, swap)
        if fault := sides_fault(task.meaning | task.sides):
            raise InputError(f"task '{name}': {fault}")
    return column, task


def _usable(name: str) -> str:
    """A similar name that a task can have."""
    candidates = (f"{name}_of", f"task_{name}")
    return next((candidate for candidate in candidates if not name_fault(candidate)), "my_task")
