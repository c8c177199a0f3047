"""Whether a teacher's labels fit the columns of a table, and how a recipe declares these columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from afanet.errors import InputError
from afanet.labelling.cells import FOLDER
from afanet.labelling.table import Table
from afanet.labelling.teacher import Asked, Results
from afanet.names import name_fault
from afanet.tasks.kinds import ALIASES, KINDS
from afanet.tasks.label import sides_declared
from afanet.tasks.result import DenseResult, Result

FILES = 20  # most label files of a task that are opened to compare their ids with the teacher's classes

Declared = Mapping[str, Mapping[str, Any]]


def require_fitting(
    results: Results, labels: Mapping[str, Mapping[str, str]], table: Table, declared: Declared
) -> None:
    """Raise `InputError` if a teacher's tasks cannot be columns of the table.

    `labels` has some existing labels of each task and where they are; `declared` has the keys of the columns.
    """
    for name, result in results.items():
        if fault := "is that of another column" if name in ("image", "split", "group") else name_fault(name):
            raise InputError(f"the teacher's task '{name}' cannot be a column, since its name {fault}: rename it")
        keys = declared.get(name, {})
        if keys and ALIASES.get(str(keys.get("kind")), keys.get("kind")) != (kind := _kind(result)):
            raise InputError(
                f"column '{name}' is declared as {keys.get('kind')}, and the teacher's task is of kind {kind}: take "
                "another teacher, or leave the task out with --tasks"
            )
        existing = list(labels.get(name, {}).items())
        for cell, location in existing[: FILES if isinstance(result, DenseResult) else None]:
            made_here = cell.startswith(f"{FOLDER.format(name)}/")
            known = keys or (result.declaration if made_here else {})
            if why := result.misfit(cell, table.path.parent / cell, known):
                raise InputError(
                    f"{table.path}, {location}: the label of {name} is '{cell:.100}', which the teacher cannot give "
                    f"({why}): take a teacher of the same classes, or leave the task out with --tasks"
                )


def declarations(results: Results, asked: Asked, declared: Declared) -> dict[str, dict[str, Any]]:
    """By task, the keys with which a recipe declares a column of the teacher's labels as they are written."""
    return {
        name: dict(
            declared.get(name)
            or {"kind": _kind(result)} | result.declaration | sides_declared(asked.meanings.get(name, {}))
        )
        for name, result in results.items()
    }


def _kind(result: Result) -> str:
    """The kind of task that a result belongs to; raises `InputError` if no registered kind has such results."""
    for name in KINDS:
        if KINDS[name].result_class is type(result):
            return name
    raise InputError(
        f"task '{result.task}' has a result of {type(result).__name__}, which no known kind of task has: register the "
        "kind with afanet.register_task"
    )
