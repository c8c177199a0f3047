"""Runs side by side: scores with their spread, and changes against single task with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from afanet.comparison.delta import NONE, Delta, Pair, delta_notes, total_gain
from afanet.comparison.gaps import gap_notes, image_notes, require_scores
from afanet.comparison.groups import BASE, Group, group_runs
from afanet.comparison.images import ImageScores
from afanet.comparison.resampling import name_draws, several_folds
from afanet.comparison.smallest import Smallest
from afanet.comparison.statistics import Change, Spread, bootstrap_changes, change_over, spread
from afanet.runs.kept import Load, read_costs, read_load
from afanet.runs.run import Run
from afanet.tasks import Described

Scores = dict[str, dict[str, float]]
Looked = Mapping[str, Mapping[str, ImageScores]]  # by title and task
ONE_SEED = "one seed"


@dataclass(frozen=True)
class Row:
    """The result of one method: scores by task and metric, changes against single task, delta_m, costs.

    Changes are differences in the metric's own unit; the row of single task has none, and an empty delta_m. `load` is
    how busy the machine was when the costs were measured, if that is known.
    """

    group: Group
    scores: dict[str, dict[str, Spread]]
    changes: dict[str, dict[str, Change]]
    delta: Delta
    costs: dict[str, float]
    load: Load | None = None

    @property
    def title(self) -> str:
        """The method, with whatever else distinguishes it."""
        return self.group.title

    @property
    def delta_m(self) -> dict[str, Change]:
        """delta_m `by_task` and `by_metric`."""
        return self.delta.changes


@dataclass(frozen=True)
class Comparison:
    """Rows by method, over the same tasks and the same test split; `notes` say what a reader must know."""

    tasks: Mapping[str, Described]
    rows: list[Row]
    notes: list[str]
    smallest: Smallest = field(default_factory=Smallest)

    def verdict(self, row: Row, task: str, metric: str) -> str:
        """`better` or `worse` than single task if the interval over seeds or folds excludes zero, else `same`.

        `same`, too, if the change is smaller than what is worth a colour; `one seed` without an interval over seeds or
        folds; empty without a change.
        """
        change = row.changes.get(task, {}).get(metric)
        if change is None or math.isnan(change.mean):
            return ""
        if change.over == "images" or math.isnan(change.low):
            return ONE_SEED
        base = next(row.scores[task][metric] for row in self.rows if row.title == BASE)
        known = [score for score in base.values if not math.isnan(score)]
        if abs(change.mean) < self.smallest.of(task, metric, sum(known) / len(known)):
            return "same"
        return change.verdict(self.tasks[task].higher_is_better[metric])

    def delta_verdict(self, row: Row) -> str:
        """The same of delta_m by task; `thin` where it rests on too little for a verdict."""
        change = row.delta_m.get("by_task")
        if change is None or math.isnan(change.mean):
            return ""
        if math.isnan(change.low):
            return ONE_SEED
        if not row.delta.whole:
            return "thin"
        return "same" if abs(change.mean) < self.smallest.delta else change.verdict(higher_is_better=True)


def compare_runs(
    runs: Sequence[Run],
    tasks: Mapping[str, Described],
    looked: Looked | None = None,
    notes: Sequence[str] = (),
    smallest: Smallest | None = None,
) -> Comparison:
    """Compare finished runs.

    Intervals are over folds (Student's, paired) if a method and single task have at least two in common, else over
    seeds if they have at least two. With fewer, they are over the images in `looked`, the scores of the first run of
    each title, all of the same fold. The notes of the comparison begin
    with `notes`. A task whose test labels are of one class has no scores.
    Raises `InputError` for runs that cannot be compared, and for a run without a score that the others have.
    """
    looked = looked or {}
    unscored = _unscored(runs, looked)
    runs = [_without_scores(run, list(unscored)) for run in runs]
    groups = group_runs(runs)
    require_scores(runs, tasks)
    base = next((group for group in groups if group.title == BASE), None)
    rows = [_row(group, base, tasks, looked, list(unscored)) for group in groups]
    notes = list(notes)
    if base is None:
        notes.append("no run uses the method single, so nothing is compared with single task")
    folded = any(several_folds(group.draws) for group in groups)
    if min(len({draw.fold if folded else draw.seed for draw in group.draws}) for group in groups) < 3:
        notes.append(f"fewer than three {'folds' if folded else 'seeds'}: these scores do not rank the methods")
    for group in groups:
        if base and group.draws != base.draws:
            notes.append(
                f"{group.title} has {name_draws(group.draws)}, {BASE} has {name_draws(base.draws)}: pairs are of those "
                "in common"
            )
    notes += image_notes(looked) + gap_notes(groups, tasks, unscored)
    notes += delta_notes({row.title: row.delta for row in rows})
    return Comparison(tasks, rows, notes, smallest or Smallest())


def _unscored(runs: Sequence[Run], looked: Looked) -> dict[str, str]:
    """Why a task has no scores on this test split, by task, as a run says it or its labels do."""
    reasons = {task: reason for run in runs for task, reason in run.unscored.items()}
    for scores in looked.values():
        for name, of_task in scores.items():
            if reason := of_task.evidence.unscorable(of_task.task, "test"):
                reasons[name] = reason
    return reasons


def _without_scores(run: Run, tasks: Sequence[str]) -> Run:
    """The run without its scores of `tasks`; an older one has numbers there."""
    scores = {name: dict.fromkeys(of_task) if name in tasks else of_task for name, of_task in run.scores.items()}
    return replace(run, results=run.results | {"tasks": scores})


def _row(
    group: Group, base: Group | None, tasks: Mapping[str, Described], looked: Looked, unscored: Sequence[str]
) -> Row:
    scores_by_run = [_scores(run) for run in group.runs]
    scores = {
        task: {metric: spread([run[task][metric] for run in scores_by_run]) for metric in scores_by_run[0][task]}
        for task in tasks
    }
    changes: dict[str, dict[str, Change]] = {}
    delta = NONE
    if base is not None and group is not base:
        theirs = dict(zip(base.draws, map(_scores, base.runs), strict=True))
        pairs = [
            Pair(draw, ours, theirs[draw])
            for draw, ours in zip(group.draws, scores_by_run, strict=True)
            if draw in theirs
        ]
        draws = [pair.draw for pair in pairs]
        for task in tasks:
            if task in unscored:
                continue
            if len(pairs) < 2 and group.title in looked and base.title in looked:
                changes[task] = bootstrap_changes(looked[group.title][task], looked[base.title][task])
            elif pairs:
                changes[task] = {
                    metric: change_over(draws, [pair.ours[task][metric] - pair.theirs[task][metric] for pair in pairs])
                    for metric in scores[task]
                }
        delta = total_gain(pairs, tasks)
    costs = group.runs[0].folder.costs
    return Row(group, scores, changes, delta, _costs(group), read_load(costs) if costs.is_file() else None)


def _scores(run: Run) -> Scores:
    return {
        task: {metric: math.nan if value is None else float(value) for metric, value in scores.items()}
        for task, scores in run.scores.items()
    }


def _costs(group: Group) -> dict[str, float]:
    """Parameters and FLOPs, and the measured costs, if there are any."""
    results = group.runs[0].results
    costs: dict[str, Any] = {"parameters": results["parameters"], "flops": results["flops"]}
    if group.runs[0].folder.costs.is_file():
        costs |= read_costs(group.runs[0].folder.costs)
    return costs
