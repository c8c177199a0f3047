"""The answer of a comparison in words: which tasks sharing helped, which it hurt, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from afanet.comparison.compare import EXPLORATORY, FEWEST, ONE_SEED, Comparison
from afanet.comparison.groups import BASE
from afanet.comparison.needs import needs
from afanet.comparison.resampling import several_folds
from afanet.comparison.rows import ENSEMBLE, Row

SHARING = {
    "better": "helped {}",
    "worse": "hurt {}",
    f"better{EXPLORATORY}": "may have helped {}",
    f"worse{EXPLORATORY}": "may have hurt {}",
    "same": "is not clearly better or worse at {}",
    ONE_SEED: "moved {}, by one seed, which proves nothing",
}
DIFFERING = {  # from a baseline other than single task
    "better": "is better at {}",
    "worse": "is worse at {}",
    f"better{EXPLORATORY}": "may be better at {}",
    f"worse{EXPLORATORY}": "may be worse at {}",
    "same": "is not clearly better or worse at {}",
    ONE_SEED: "differs at {}, by one seed, which proves nothing",
}


def headline(comparison: Comparison) -> str:
    """The answer in a sentence or two, from the main metric of each task and the methods that are compared.

    Without a clear change, it says whether the intervals leave room for one that matters.
    """
    rows = [row for row in comparison.rows if row.changes and row.title != ENSEMBLE]
    found = {
        verdict: {
            task: names
            for task in comparison.tasks
            if (names := [row.title for row in rows if _main_verdict(comparison, row, task) == verdict])
        }
        for verdict in SHARING
    }
    if not any(found.values()):
        return f"There is nothing to compare with {comparison.against} yet."
    sharing = comparison.baseline == BASE
    words = ("helped", "hurt") if sharing else ("better at", "worse at")
    told = [
        f"{word} {listed(f'{task} ({listed(methods)})' for task, methods in found[verdict].items())}"
        for verdict, word in zip(("better", "worse"), words, strict=True)
        if found[verdict]
    ]
    if told:
        subject = "Sharing" if sharing else f"Compared with {comparison.against}, methods are"
        return f"{subject} {' and '.join(told)}."
    if found[ONE_SEED]:
        return "One seed cannot say: train more seeds."
    return _without_clear_change(comparison, rows)


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


def _without_clear_change(comparison: Comparison, rows: Sequence[Row]) -> str:
    """That no change matters if every interval excludes those that do; else that these runs cannot tell."""
    sharing, against = comparison.baseline == BASE, comparison.against
    sizes = {task: comparison.smallest_change(task, of.main_metric) for task, of in comparison.tasks.items()}
    changes = {
        task: [row.changes[task][of.main_metric] for row in rows if _main_verdict(comparison, row, task)]
        for task, of in comparison.tasks.items()
    }
    hidden = [
        task
        for task, size in sizes.items()
        if not all(-size < change.low and change.high < size for change in changes[task])
    ]
    if not hidden:
        subject = "Sharing changed no task" if sharing else f"No method differs from {against}"
        limits = [
            f"{sizes[task]:.2g} of {comparison.tasks[task].main_metric} ({task})" for task in sizes if changes[task]
        ]
        return f"{subject} by enough to matter: the 95 % intervals exclude changes larger than {listed(limits)}."
    asked = "sharing helps or hurts" if sharing else f"methods are better or worse than {against} at"
    over = {change.over for task in hidden for change in changes[task]}
    return (
        f"These runs cannot tell whether {asked} {listed(hidden)}: a change that matters could hide in the intervals. "
        f"{_remedy(comparison, hidden, 'folds' in over)}"
    )


def _remedy(comparison: Comparison, tasks: Sequence[str], folded: bool) -> str:
    """What would tell whether these tasks change: more seeds, more test images, or both."""
    if folded:
        return "Train more folds or seeds."
    known = [need for need in needs(comparison) if need.task in tasks]
    images = [need.task for need in known if need.more_images]
    if not images:
        return f"Train more seeds{': the notes below say how many' if known else ''}."
    if len(images) < len(tasks):
        return f"Train more seeds, as many as the notes below say, and test {listed(images)} on more images."
    few = min(len(row.group.draws) for row in comparison.rows) < FEWEST
    more = (
        ", and train three seeds or more" if few else ": no number of seeds would show the smallest change that matters"
    )
    return f"Test on more images{more}."


def _answer(comparison: Comparison, row: Row) -> str:
    parts = []
    for verdict, words in (SHARING if comparison.baseline == BASE else DIFFERING).items():
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
    """`depth (abs 4.9 % better)`: the change in per cent of the baseline's score."""
    metric = comparison.tasks[task].main_metric
    base = comparison.base.scores[task][metric].mean if comparison.base else math.nan
    change = 100 * row.changes[task][metric].mean / abs(base) if base else math.nan
    if math.isnan(change):
        return task
    if abs(change) < 0.05:
        return f"{task} ({metric} 0.0 %)"
    better = (change > 0) == comparison.tasks[task].higher_is_better[metric]
    return f"{task} ({metric} {abs(change):.1f} % {'better' if better else 'worse'})"


def _cost(comparison: Comparison, row: Row) -> list[str]:
    alone = comparison.base.costs.get("flops") if comparison.base else None
    if "flops" not in row.costs or not alone:
        return []
    more = 100 * (row.costs["flops"] / alone - 1)
    if abs(more) < 0.05:
        return ["takes as many operations"]
    return [f"takes {abs(more):.1f} % {'more' if more > 0 else 'fewer'} operations"]
