"""delta_m, one score for all tasks: the mean relative change of their metrics against single task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from afanet.comparison.crossed import Array
from afanet.comparison.resampling import Draw, name_draws
from afanet.comparison.smallest import UNIT
from afanet.comparison.statistics import Change, change_over, spread
from afanet.tasks import Described

MOST = 100.0  # per cent, the limit of one metric for one seed
Scores = Mapping[str, Mapping[str, float]]  # by task and metric
LeftOut = Mapping[str, Mapping[str, Array]]  # scores without each block of images, (blocks,)


@dataclass(frozen=True)
class Pair:
    """The scores of a method and of single task for the same fold and seed.

    `left_out` has both scores without each block of images, if single images were scored.
    """

    draw: Draw
    ours: Scores
    theirs: Scores
    left_out: tuple[LeftOut, LeftOut] | None = None


@dataclass(frozen=True)
class Delta:
    """delta_m over seeds or folds, in per cent, positive if better; `changes` has it `by_task` and `by_metric`.

    `left_out` says, by `TASK METRIC`, why a metric is left out, and `limited` names those that were limited in a run.
    `whole` is False if delta_m rests on too little for a verdict: a task is left out entirely, or a metric is beyond
    its limit.
    """

    changes: dict[str, Change]
    left_out: dict[str, str]
    limited: dict[str, str]
    whole: bool


NONE = Delta({}, {}, {}, False)


def relative_gain(score: float, base: float, higher_is_better: bool) -> float:
    """The change against `base` in per cent of `base`; positive is better. NaN if `base` is below 0.0001.

    >>> round(relative_gain(0.42, 0.40, True), 6), round(relative_gain(0.42, 0.40, False), 6)
    (5.0, -5.0)
    """
    if abs(base) < UNIT:
        return math.nan
    return 100 * (score - base) / abs(base) * (1 if higher_is_better else -1)


def delta_m(gains: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The two delta_m of gains by task and metric: the mean over tasks of each task's mean, and over all metrics.

    Each gain is limited to ±100 %, so both means are too. Gains that are not numbers are left out; the caller reports
    them.

    >>> delta_m({"a": {"x": 2.0, "y": 4.0}, "b": {"z": -1.0}})
    {'by_task': 1.0, 'by_metric': 1.666...}
    """
    known = [[max(-MOST, min(MOST, gain)) for gain in task.values() if not math.isnan(gain)] for task in gains.values()]
    by_task = [sum(task) / len(task) for task in known if task]
    return {"by_task": spread(by_task).mean, "by_metric": spread([gain for task in known for gain in task]).mean}


def total_gain(pairs: Sequence[Pair], tasks: Mapping[str, Described], base: str = "single task") -> Delta:
    """delta_m over pairs of runs of a method and of `base`.

    A metric without a relative change in one pair is left out of all pairs.
    """
    if not pairs:
        return NONE
    left_out, limited, kept = {}, {}, []
    gains: list[dict[str, dict[str, float]]] = [{name: {} for name in tasks} for _ in pairs]
    for name, task in tasks.items():
        for metric, higher in task.higher_is_better.items():
            each = [relative_gain(pair.ours[name][metric], pair.theirs[name][metric], higher) for pair in pairs]
            if reason := _why_out(pairs, each, name, metric, base):
                left_out[f"{name} {metric}"] = reason
                continue
            kept.append((name, metric))
            if beyond := [pair.draw for pair, gain in zip(pairs, each, strict=True) if abs(gain) > MOST]:
                limited[f"{name} {metric}"] = name_draws(beyond)
            for pair_gains, gain in zip(gains, each, strict=True):
                pair_gains[name][metric] = gain
    totals = [delta_m(of_pair) for of_pair in gains]
    draws = [pair.draw for pair in pairs]
    blocks = [_left_out_totals(*pair.left_out, kept, tasks) for pair in pairs if pair.left_out and kept]
    changes = {
        key: _within(change_over(draws, [total[key] for total in totals], [without[key] for without in blocks]))
        for key in totals[0]
    }
    kept_tasks = {name for name, _ in kept}
    return Delta(changes, left_out, limited, whole=kept_tasks == set(tasks) and not limited)


def _left_out_totals(
    ours: LeftOut, theirs: LeftOut, kept: Sequence[tuple[str, str]], tasks: Mapping[str, Described]
) -> dict[str, Array]:
    """delta_m over the `kept` metrics, without each block of images."""
    gains: dict[str, list[Array]] = {}
    for name, metric in kept:
        score, base = ours[name][metric], theirs[name][metric]
        sign = 1 if tasks[name].higher_is_better[metric] else -1
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = sign * 100 * (score - base) / np.abs(base)
        gains.setdefault(name, []).append(gain.clip(-MOST, MOST))
    by_task = [np.mean(of_task, axis=0) for of_task in gains.values()]
    every = [gain for of_task in gains.values() for gain in of_task]
    return {"by_task": np.mean(by_task, axis=0), "by_metric": np.mean(every, axis=0)}


def _why_out(pairs: Sequence[Pair], gains: Sequence[float], task: str, metric: str, base: str) -> str | None:
    """Why a metric has no relative change in every pair, in words; None if it has one."""
    scores = [(pair.draw, pair.ours[task][metric], pair.theirs[task][metric]) for pair in pairs]
    if without := [draw for draw, ours, theirs in scores if math.isnan(ours) or math.isnan(theirs)]:
        return f"no value in {name_draws(without)}"
    if bare := [draw for (draw, *_), gain in zip(scores, gains, strict=True) if math.isnan(gain)]:
        return f"{base} has less than {UNIT:g} in {name_draws(bare)}"
    return None


def _within(change: Change) -> Change:
    """A change whose interval is clipped to the range of delta_m."""
    low, high = (end if math.isnan(end) else max(-MOST, min(MOST, end)) for end in (change.low, change.high))
    return replace(change, low=low, high=high)


def delta_notes(deltas: Mapping[str, Delta]) -> list[str]:
    """Sentences on the metrics that delta_m leaves out or limits, one for all titles where they are the same.

    >>> delta_notes({"hard": Delta({}, {"depth abs": "no value in seed 1"}, {"depth rel": "seed 0"}, False)})
    ['delta_m of hard leaves out depth abs (no value in seed 1)',
     'delta_m of hard has no verdict, since changes beyond ±100 % count as ±100 %: depth rel (seed 0)']
    """
    alike: dict[str, list[str]] = {}
    for title, delta in deltas.items():
        for says, named in (
            ("leaves out", delta.left_out),
            ("has no verdict, since changes beyond ±100 % count as ±100 %:", delta.limited),
        ):
            if named:
                alike.setdefault(f"{says} {_list(named)}", []).append(title)
    return [f"delta_m of {', '.join(titles)} {sentence}" for sentence, titles in alike.items()]


def _list(named: Mapping[str, str]) -> str:
    """The metrics in a list, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for metric, reason in named.items():
        by_reason.setdefault(reason, []).append(metric)
    return ", ".join(f"{', '.join(metrics)} ({reason})" for reason, metrics in by_reason.items())
