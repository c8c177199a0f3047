"""The answer of a comparison in words: which tasks sharing helped, which it hurt, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Iterable

from afanet.comparison.compare import EXPLORATORY, ONE_SEED, Comparison
from afanet.comparison.groups import BASE
from afanet.comparison.resampling import several_folds
from afanet.comparison.rows import ENSEMBLE, Row

SAID = {
    "better": "helped {}",
    "worse": "hurt {}",
    f"better{EXPLORATORY}": "may have helped {}",
    f"worse{EXPLORATORY}": "may have hurt {}",
    "same": "did not clearly change {}",
    ONE_SEED: "moved {}, by one seed, which proves nothing",
}


def headline(comparison: Comparison) -> str:
    """The answer in a sentence or two, from the main metric of each task and the methods that share."""
    rows = [row for row in comparison.rows if row.changes and row.title != ENSEMBLE]
    found = {
        verdict: {
            task: names
            for task in comparison.tasks
            if (names := [row.title for row in rows if _main_verdict(comparison, row, task) == verdict])
        }
        for verdict in SAID
    }
    if not rows:
        return f"There is nothing to compare with {comparison.against} yet."
    what = "Sharing" if comparison.baseline == BASE else f"Another method than {comparison.baseline}"
    told = [
        f"{word} {listed(f'{task} ({listed(methods)})' for task, methods in found[verdict].items())}"
        for verdict, word in (("better", "helped"), ("worse", "hurt"))
        if found[verdict]
    ]
    if told:
        return f"{what} {' and '.join(told)}."
    if found[ONE_SEED]:
        return "One seed cannot say: train more seeds."
    if not any(_may_matter(comparison, row, task) for row in rows for task in row.changes):
        return f"{what} changed no task by as much as matters."
    few = "" if min(len(row.group.draws) for row in rows) > 2 else " Train three seeds or more."
    whether = f"whether {what[0].lower()}{what[1:]} helps or hurts"
    return f"These runs cannot tell {whether}: changes that matter may hide in the intervals.{few}"


def _may_matter(comparison: Comparison, row: Row, task: str) -> bool:
    """Whether the interval of the main metric's change holds a change that is large enough to matter."""
    metric = comparison.tasks[task].main_metric
    change = row.changes[task][metric]
    return not max(abs(change.low), abs(change.high)) < comparison.smallest_change(task, metric)


def answers(comparison: Comparison) -> list[tuple[str, str]]:
    """For each method with changes: its title, and a sentence on its effect on each task and its cost."""
    return [(row.title, _answer(comparison, row)) for row in comparison.rows if row.changes]


def listed(names: Iterable[str]) -> str:
    """Names in a sentence.

    >>> listed(["depth", "normals", "edges"]), listed(["depth"])
    ('depth, normals and edges', 'depth')
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _answer(comparison: Comparison, row: Row) -> str:
    parts = []
    for verdict, words in SAID.items():
        tasks = [task for task in comparison.tasks if _main_verdict(comparison, row, task) == verdict]
        if tasks:
            parts.append(words.format(listed(_with_change(comparison, row, task) for task in tasks)))
    parts += _cost(comparison, row)
    counted = "folds" if several_folds(row.group.draws) else "seeds"
    count = len(row.group.draws)
    return f"{'; '.join(parts)} ({count} {counted if count > 1 else counted.removesuffix('s')})"


def _main_verdict(comparison: Comparison, row: Row, task: str) -> str:
    return comparison.verdict(row, task, comparison.tasks[task].main_metric)


def _with_change(comparison: Comparison, row: Row, task: str) -> str:
    """`depth (abs -4.9 %, better)`: the change in per cent of the baseline's score."""
    metric = comparison.tasks[task].main_metric
    base = comparison.base.scores[task][metric].mean if comparison.base else math.nan
    change = 100 * row.changes[task][metric].mean / abs(base) if base else math.nan
    if math.isnan(change):
        return task
    higher = comparison.tasks[task].higher_is_better[metric]
    word = "" if abs(change) < 0.05 else ", better" if (change > 0) == higher else ", worse"
    return f"{task} ({metric} {change:+.1f} %{word})"


def _cost(comparison: Comparison, row: Row) -> list[str]:
    alone = comparison.base.costs.get("flops") if comparison.base else None
    if "flops" not in row.costs or not alone:
        return []
    more = 100 * (row.costs["flops"] / alone - 1)
    if abs(more) < 0.05:
        return ["takes as many operations"]
    return [f"takes {abs(more):.1f} % {'more' if more > 0 else 'fewer'} operations"]
