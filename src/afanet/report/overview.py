"""The first table of a report: a row for each method, columns for the tasks and the costs."""

from __future__ import annotations

from typing import NamedTuple

from afanet.comparison import tables
from afanet.comparison.compare import EXPLORATORY, Comparison
from afanet.comparison.quantities import in_unit
from afanet.comparison.rows import Row

COSTS = ("parameters", "flops", "latency_s")


class Cell(NamedTuple):
    """A score or cost, its change with an interval, and the mark and the class of the change's verdict."""

    text: str
    change: str = ""
    mark: str = ""
    kind: str = "same"


class Overview(NamedTuple):
    """The headings after the method's, and for each method its title and cells."""

    headings: list[str]
    rows: list[tuple[str, list[Cell]]]


def overview(comparison: Comparison) -> Overview:
    """The main metric of each task, delta_m and the main costs, by method."""
    headings = [
        f"{name}: {task.main_metric} {'↑' if task.higher_is_better[task.main_metric] else '↓'}"
        for name, task in comparison.tasks.items()
    ]
    rows = [[_score(comparison, row, name) for name in comparison.tasks] for row in comparison.rows]
    if any(row.delta_m for row in comparison.rows):
        headings.append(tables.DELTAS["by_task"])
        for row, cells in zip(comparison.rows, rows, strict=True):
            cells.append(_delta(comparison, row))
    for key in COSTS:
        label, units, digits = tables.COSTS[key]
        of_rows = [row.costs.get(key) for row in comparison.rows]
        if any(cost is not None for cost in of_rows):
            headings.append(label)
            for cost, cells in zip(in_unit(of_rows, units, digits), rows, strict=True):
                cells.append(Cell(cost))
    return Overview(headings, [(row.title, cells) for row, cells in zip(comparison.rows, rows, strict=True)])


def _score(comparison: Comparison, row: Row, task: str) -> Cell:
    metric = comparison.tasks[task].main_metric
    score = tables.show_spread(row.scores[task][metric])
    change = tables.show_change(row.changes.get(task, {}).get(metric))
    return _marked(score, change, comparison.verdict(row, task, metric))


def _delta(comparison: Comparison, row: Row) -> Cell:
    return _marked(tables.show_delta(row.delta_m.get("by_task")), "", comparison.delta_verdict(row))


def _marked(text: str, change: str, verdict: str) -> Cell:
    kind = verdict.removesuffix(EXPLORATORY)
    return Cell(text, change, tables.MARKS.get(verdict, ""), kind if kind in ("better", "worse") else "same")
