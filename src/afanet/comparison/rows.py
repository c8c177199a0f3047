"""The row of one method: its scores, and how they differ from those of the baseline of the same seeds and folds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from afanet.comparison.budget import Budget, mean_budget
from afanet.comparison.delta import NONE, Delta, LeftOut, Pair, Scores, total_gain
from afanet.comparison.groups import Group, in_words
from afanet.comparison.images import ImageScores
from afanet.comparison.resampling import Draw
from afanet.comparison.statistics import Change, Spread, bootstrap_changes, change_over, spread
from afanet.runs.kept import Load, read_costs, read_load
from afanet.runs.run import Run
from afanet.tasks import Described

ENSEMBLE = "ensemble"  # the title of the row for mean predictions of two single-task networks


@dataclass(frozen=True)
class Row:
    """The result of one method: scores by task and metric, changes against the baseline, delta_m, costs.

    Changes are differences in the metric's own unit; the row of the baseline has none, and an empty delta_m. `load` is
    how busy the machine was when the costs were measured, and `budget` the training that a run has had, if known. The
    group of the ensemble's row is that of single task, under its own title.
    """

    group: Group
    scores: dict[str, dict[str, Spread]]
    changes: dict[str, dict[str, Change]]
    delta: Delta
    costs: dict[str, float]
    load: Load | None = None
    budget: Budget | None = None

    @property
    def title(self) -> str:
        """The method, with anything else that distinguishes the row."""
        return self.group.title

    @property
    def delta_m(self) -> dict[str, Change]:
        """delta_m `by_task` and `by_metric`."""
        return self.delta.changes


class Seen(NamedTuple):
    """The part of a run's image scores that a comparison keeps; the whole of all runs would be too large.

    Args:
        images: the number of test images.
        labels: a hash of the labels in each of them.
        unscorable: why the scores of a task say nothing, by task.
        left_out: the scores without each block of images.
        only: the class that the run gives to everything, by task; only for tasks where it does so.
    """

    images: int
    labels: str
    unscorable: dict[str, str]
    left_out: LeftOut
    only: dict[str, str]

    @classmethod
    def of(cls, scores: Mapping[str, ImageScores]) -> Seen:
        """The part to keep of image scores by task."""
        reasons = {name: of_task.evidence.unscorable(of_task.task, "test") for name, of_task in scores.items()}
        return cls(
            max((len(of_task) for of_task in scores.values()), default=0),
            " ".join(of_task.labels for of_task in scores.values()),
            {name: reason for name, reason in reasons.items() if reason},
            {name: of_task.left_out() for name, of_task in scores.items()},
            {name: answer for name, of_task in scores.items() if (answer := of_task.only_class())},
        )


def method_row(
    group: Group,
    base: Group | None,
    tasks: Mapping[str, Described],
    looked: Mapping[Path, Mapping[str, ImageScores]],
    seen: Mapping[Path, Seen],
    unscored: Sequence[str],
) -> Row:
    """The row of a group of runs, compared with the group `base`."""
    scores = [_scores(run) for run in group.runs]
    costs = group.runs[0].folder.costs
    load = read_load(costs) if costs.is_file() else None
    row = Row(group, _spreads(scores, tasks), {}, NONE, _costs(group), load, mean_budget(group.runs))
    if base is None or group is base:
        return row
    looks = [seen.get(run.path) for run in group.runs]
    pairs = _pairs(dict(zip(group.draws, zip(scores, looks, strict=True), strict=True)), base, seen)
    scored = {name: task for name, task in tasks.items() if name not in unscored}
    changes = _changes(pairs, scored)
    if len(pairs) < 2:
        ours, theirs = (_run_of(each, pairs).path for each in (group, base))
        if ours in seen and theirs in seen:
            images, single = looked[ours], looked[theirs]
            changes = {name: bootstrap_changes(images[name], single[name]) for name in scored}
    return replace(row, changes=changes, delta=total_gain(pairs, tasks, in_words(base.title)))


def ensemble_row(
    ensemble: Mapping[Draw, Mapping[str, ImageScores]],
    base: Group,
    tasks: Mapping[str, Described],
    seen: Mapping[Path, Seen],
    unscored: Sequence[str],
) -> Row:
    """The row of an ensemble of single-task networks, at twice the parameters and FLOPs of the group `base`."""
    scored = {name: task for name, task in tasks.items() if name not in unscored}
    nothing = {name: dict.fromkeys(task.higher_is_better, math.nan) for name, task in tasks.items()}
    scores: dict[Draw, Scores] = {
        draw: nothing | {name: of_draw[name].compute() for name in scored} for draw, of_draw in ensemble.items()
    }
    pairs = _pairs({draw: (scores[draw], Seen.of(of_draw)) for draw, of_draw in ensemble.items()}, base, seen)
    costs = {key: 2 * value for key, value in _costs(base).items() if key in ("parameters", "flops")}
    group = Group(ENSEMBLE, tuple(run for run, draw in zip(base.runs, base.draws, strict=True) if draw in ensemble))
    spreads, budget = _spreads(list(scores.values()), tasks), mean_budget(base.runs)
    twice = budget and budget + budget
    return Row(group, spreads, _changes(pairs, scored), total_gain(pairs, tasks), costs, budget=twice)


def _pairs(ours: Mapping[Draw, tuple[Scores, Seen | None]], base: Group, seen: Mapping[Path, Seen]) -> list[Pair]:
    """The pairs of scores of a method and the baseline for the same draws, in the order of the method."""
    theirs = {draw: (_scores(run), seen.get(run.path)) for draw, run in zip(base.draws, base.runs, strict=True)}
    pairs = []
    for draw, (scores, look) in ours.items():
        if draw in theirs:
            single, single_look = theirs[draw]
            both = (look.left_out, single_look.left_out) if look and single_look else None
            pairs.append(Pair(draw, scores, single, both))
    return pairs


def _run_of(group: Group, pairs: Sequence[Pair]) -> Run:
    """The group's run of the first pair; its first run, if there is no pair."""
    only = [pair.draw for pair in pairs]
    return next((run for run, draw in zip(group.runs, group.draws, strict=True) if draw in only), group.runs[0])


def _changes(pairs: Sequence[Pair], tasks: Mapping[str, Described]) -> dict[str, dict[str, Change]]:
    """The change of each metric over the pairs; empty without a pair."""
    draws = [pair.draw for pair in pairs]
    changes: dict[str, dict[str, Change]] = {name: {} for name in tasks} if pairs else {}
    for name in changes:
        for metric in tasks[name].higher_is_better:
            differences = [pair.ours[name][metric] - pair.theirs[name][metric] for pair in pairs]
            left_out = [
                pair.left_out[0][name][metric] - pair.left_out[1][name][metric] for pair in pairs if pair.left_out
            ]
            changes[name][metric] = change_over(draws, differences, left_out)
    return changes


def _spreads(scores: Sequence[Scores], tasks: Mapping[str, Described]) -> dict[str, dict[str, Spread]]:
    """The spread of each metric over runs."""
    return {
        name: {metric: spread([run[name][metric] for run in scores]) for metric in scores[0][name]} for name in tasks
    }


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
