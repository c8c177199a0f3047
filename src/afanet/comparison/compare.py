"""Runs side by side: scores with their spread, and changes against single task with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from afanet.comparison.gaps import delta_notes, gap_notes, require_scores
from afanet.comparison.groups import BASE, Group, group_runs
from afanet.comparison.images import ImageScores
from afanet.comparison.statistics import (
    Change,
    Spread,
    bootstrap_changes,
    delta_m,
    paired_change,
    relative_gain,
    spread,
)
from afanet.runs.kept import read_costs
from afanet.runs.run import Run
from afanet.tasks import Described

Scores = dict[str, dict[str, float]]
Looked = Mapping[str, Mapping[str, ImageScores]]  # by title and task


@dataclass(frozen=True)
class Row:
    """The result of one method: scores by task and metric, changes against single task, delta_m, costs.

    Changes are differences in the metric's own unit. delta_m is in per cent, positive for the better. The row of single
    task itself has neither. `left_out` are the metrics, as `TASK METRIC`, that are not part of its delta_m.
    """

    group: Group
    scores: dict[str, dict[str, Spread]]
    changes: dict[str, dict[str, Change]]
    delta_m: dict[str, Change]
    left_out: list[str]
    costs: dict[str, float]

    @property
    def title(self) -> str:
        """The method, with whatever else distinguishes it."""
        return self.group.title


@dataclass(frozen=True)
class Comparison:
    """Rows by method, over the same tasks and the same test split; `notes` say what a reader must know."""

    tasks: Mapping[str, Described]
    rows: list[Row]
    notes: list[str]

    def verdict(self, row: Row, task: str, metric: str) -> str:
        """`better` or `worse` than single task if the interval excludes zero, else `same`; empty without one."""
        change = row.changes.get(task, {}).get(metric)
        return "" if change is None else change.verdict(self.tasks[task].higher_is_better[metric])


def compare_runs(
    runs: Sequence[Run], tasks: Mapping[str, Described], looked: Looked | None = None, notes: Sequence[str] = ()
) -> Comparison:
    """Compare finished runs.

    Intervals are over seeds (Student's, paired) if a method and single task have at least two in common. With fewer,
    they are over the images in `looked`, the scores of the first run of each title. The notes of the comparison begin
    with `notes`.
    Raises `InputError` for runs that cannot be compared, and for a run without a score that the others have.
    """
    groups = group_runs(runs)
    require_scores(runs, tasks)
    base = next((group for group in groups if group.title == BASE), None)
    rows = [_row(group, base, tasks, looked or {}) for group in groups]
    notes = list(notes)
    if base is None:
        notes.append("no run uses the method single, so nothing is compared with single task")
    counts = {len(group.runs) for group in groups}
    if min(counts) < 3:
        notes.append("fewer than three seeds: these scores do not rank the methods")
    for group in groups:
        if base and group.seeds != base.seeds:
            notes.append(
                f"{group.title} has seeds {group.seeds}, {BASE} has {base.seeds}: pairs are of those in common"
            )
    return Comparison(
        tasks, rows, notes + gap_notes(groups, tasks) + delta_notes({row.title: row.left_out for row in rows})
    )


def _row(group: Group, base: Group | None, tasks: Mapping[str, Described], looked: Looked) -> Row:
    scores_by_run = [_scores(run) for run in group.runs]
    scores = {
        task: {metric: spread([run[task][metric] for run in scores_by_run]) for metric in scores_by_run[0][task]}
        for task in tasks
    }
    changes: dict[str, dict[str, Change]] = {}
    total: dict[str, Change] = {}
    left_out: list[str] = []
    if base is not None and group is not base:
        theirs = {run.recipe.seed: _scores(run) for run in base.runs}
        pairs = [(ours, theirs[seed]) for seed, ours in zip(group.seeds, scores_by_run, strict=True) if seed in theirs]
        for task in tasks:
            if len(pairs) < 2 and group.title in looked and base.title in looked:
                changes[task] = bootstrap_changes(looked[group.title][task], looked[base.title][task])
            elif pairs:
                changes[task] = {
                    metric: paired_change([a[task][metric] - b[task][metric] for a, b in pairs])
                    for metric in scores[task]
                }
        total, left_out = _total([_gains(a, b, tasks) for a, b in pairs])
    return Row(group, scores, changes, total, left_out, _costs(group))


def _total(gains: Sequence[Scores]) -> tuple[dict[str, Change], list[str]]:
    """delta_m over pairs of runs, from the gains of each, and the metrics that it leaves out.

    A metric that is no number in one pair is left out of all, so that delta_m is over the same metrics for every seed.
    """
    if not gains:
        return {}, []
    out = [
        (task, metric)
        for task, metrics in gains[0].items()
        for metric in metrics
        if any(math.isnan(pair[task][metric]) for pair in gains)
    ]
    totals = [
        delta_m(
            {task: {key: g for key, g in of_task.items() if (task, key) not in out} for task, of_task in pair.items()}
        )
        for pair in gains
    ]
    changes = {key: paired_change([total[key] for total in totals]) for key in totals[0]}
    return changes, [f"{task} {metric}" for task, metric in out]


def _scores(run: Run) -> Scores:
    return {
        task: {metric: math.nan if value is None else float(value) for metric, value in scores.items()}
        for task, scores in run.scores.items()
    }


def _gains(ours: Scores, theirs: Scores, tasks: Mapping[str, Described]) -> Scores:
    return {
        name: {
            metric: relative_gain(ours[name][metric], theirs[name][metric], better)
            for metric, better in task.higher_is_better.items()
        }
        for name, task in tasks.items()
    }


def _costs(group: Group) -> dict[str, float]:
    """Parameters and FLOPs, and the measured costs, if there are any."""
    results = group.runs[0].results
    costs: dict[str, Any] = {"parameters": results["parameters"], "flops": results["flops"]}
    if group.runs[0].folder.costs.is_file():
        costs |= read_costs(group.runs[0].folder.costs)
    return costs
