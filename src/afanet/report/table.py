"""The scores of one run, or of several side by side, as a table."""

from __future__ import annotations

from collections.abc import Mapping

from rich.markup import escape
from rich.table import Table

from afanet.tasks import Task

Scores = Mapping[str, Mapping[str, float | None]]


def metrics_table(
    runs: Mapping[str, Scores], tasks: Mapping[str, Task], unscored: Mapping[str, Mapping[str, str]] | None = None
) -> Table:
    """A row for each metric of each task, a column for each run; the arrow shows which way is better.

    `runs` maps a column's title to `{task: {metric: value}}`. A score that could not be computed is a dash, with the
    reason below the table; `unscored` has the known reasons, by title and task.

    >>> from rich.console import Console
    >>> from afanet.tasks import Classification
    >>> runs = {"single": {"age": {"accuracy": 0.5}}, "afa": {"age": {"accuracy": 0.52}}}
    >>> table = metrics_table(runs, {"age": Classification("age", ["young", "old"])})
    >>> table.row_count, [column.header for column in table.columns]
    (1, ['task', 'metric', 'single', 'afa'])
    """
    table = Table()
    table.add_column("task")
    table.add_column("metric")
    for title in runs:
        table.add_column(escape(title), justify="right")
    reasons: list[str] = []
    for name, task in tasks.items():
        keys = list(next(iter(runs.values()))[name])
        for row, key in enumerate(keys):
            arrow = "↑" if task.higher_is_better[key] else "↓"
            values = [scores[name][key] for scores in runs.values()]
            for title, value in zip(runs, values, strict=True):
                if value is None or value != value:
                    reasons.append(_reason(name, (unscored or {}).get(title, {})))
            cells = ["-" if value is None or value != value else f"{value:.4f}" for value in values]
            table.add_row(
                "" if row else escape(name), f"{escape(key)} {arrow}", *cells, end_section=row == len(keys) - 1
            )
    table.caption = "\n".join(dict.fromkeys(reasons)) or None
    return table


def _reason(task: str, unscored: Mapping[str, str]) -> str:
    if task in unscored:
        return f"- of {escape(task)}: {escape(unscored[task])}"
    return "-: the split has no labels to compute it from"
