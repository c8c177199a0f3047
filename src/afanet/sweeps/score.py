"""The objective of a sweep: one number for the scores of a run on the validation split."""

from __future__ import annotations

import math
from collections.abc import Mapping

from afanet.comparison.smallest import UNIT
from afanet.tasks import Described

Scores = Mapping[str, Mapping[str, float | None]]  # by task and metric


def main_scores(scores: Scores, tasks: Mapping[str, Described]) -> dict[str, float]:
    """The main metric of each task; NaN if it could not be computed.

    >>> from afanet.tasks import Depth
    >>> main_scores({"depth": {"abs": None, "rmse": 1.0}}, {"depth": Depth()})
    {'depth': nan}
    """
    found = {name: scores[name][task.main_metric] for name, task in tasks.items()}
    return {name: math.nan if score is None else float(score) for name, score in found.items()}


def value_of(main: Mapping[str, float], tasks: Mapping[str, Described]) -> float:
    r"""One number for the main metrics of all tasks, higher is better; NaN if one of them is NaN.

    For one task it is the metric $m$, negated if lower is better. For $T$ tasks, with $s_t = 1$ if higher is better and
    $-1$ if lower is better, it is

    $$
    V = \frac{1}{T} \sum_t s_t \ln \max(m_t, 10^{-4})
    $$

    so a difference of 0.01 means one per cent in every task, whatever its unit, and the score of a trial does not
    depend on other trials.

    >>> from afanet.tasks import Classification, Depth
    >>> tasks = {"depth": Depth(), "room": Classification("room", ["a", "b"])}
    >>> value_of({"depth": 0.5}, {"depth": tasks["depth"]}), round(value_of({"depth": 0.5, "room": 0.9}, tasks), 4)
    (-0.5, 0.2939)
    """
    signs = {name: 1 if task.higher_is_better[task.main_metric] else -1 for name, task in tasks.items()}
    if len(tasks) == 1:
        return next(signs[name] * main[name] for name in tasks)
    logs = [signs[name] * math.log(max(UNIT, main[name])) if main[name] == main[name] else math.nan for name in tasks]
    return math.fsum(logs) / len(logs)


def gain(value: float, base: float, tasks: Mapping[str, Described]) -> float:
    """How much better `value` is than `base`: for one task in the metric's unit, for several in per cent.

    For several tasks, it is the percentage by which every task would have to improve for the same gain.

    >>> from afanet.tasks import Depth
    >>> round(gain(0.0198, 0.0, {"near": Depth(), "far": Depth()}), 2), gain(-0.5, -0.75, {"depth": Depth()})
    (2.0, 0.25)
    """
    return value - base if len(tasks) == 1 else 100 * math.expm1(value - base)


def unit_of_gain(tasks: Mapping[str, Described]) -> str:
    """The unit of `gain`, as a suffix: the metric's name or per cent."""
    return f" {next(iter(tasks.values())).main_metric}" if len(tasks) == 1 else " %"
