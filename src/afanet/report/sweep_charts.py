"""Charts of a sweep: the score against each key and over the trials, and the importance of the keys."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from afanet.report.charts import as_svg, colours, new_figure
from afanet.sweeps.outcome import Outcome
from afanet.sweeps.tables import change_heading

OTHER, BEST = colours(["trial", "best"]).values()
BAND = 0.1  # width over which the trials of a choice are spread


def key_chart(outcome: Outcome, key: str) -> str:
    """A point for each finished trial: its value of `key` to the right, its score upwards."""
    figure, axes = new_figure()
    distribution = outcome.space[key]
    rows = [row for row in outcome.rows if row.finished and row.values.get(key) is not None]
    if isinstance(distribution, CategoricalDistribution):
        places = {text: place for place, text in enumerate(map(str, distribution.choices))}
        rows = [row for row in rows if str(row.values[key]) in places]
        spread = np.random.default_rng(0).uniform(-BAND, BAND, len(rows))  # so that no point hides another
        across = [places[str(row.values[key])] + float(aside) for row, aside in zip(rows, spread, strict=True)]
        axes.set_xticks(range(len(places)), list(places))
        axes.set_xlim(-0.5, len(places) - 0.5)
    else:
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        rows = [row for row in rows if not isinstance(row.values[key], str)]
        across = [float(row.values[key]) for row in rows]
        if distribution.log:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
    for row, x in zip(rows, across, strict=True):
        _point(axes, outcome, x, row.number)
    axes.set_xlabel(key)
    axes.set_ylabel(_score_label(outcome))
    return as_svg(figure)


def best_so_far(outcome: Outcome) -> str:
    """A point for each finished trial, by number, and a line through the best score so far."""
    figure, axes = new_figure()
    rows = [row for row in outcome.rows if row.finished]
    best = np.maximum.accumulate([_height(outcome, row.number) for row in rows])
    axes.plot([row.number for row in rows], best, color=BEST, lw=1, drawstyle="steps-post")
    for row in rows:
        _point(axes, outcome, row.number, row.number)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel(_score_label(outcome))
    return as_svg(figure)


def importance_chart(importance: Mapping[str, float]) -> str:
    """A bar for each key, the most important on top."""
    figure, axes = new_figure(height=0.9 + 0.33 * len(importance))
    axes.barh(range(len(importance)), [100 * share for share in importance.values()], height=0.6, color=OTHER)
    axes.set_yticks(range(len(importance)), list(importance))
    axes.invert_yaxis()
    axes.set_xlabel("share of the differences between trials, %")
    return as_svg(figure)


def _point(axes: Axes, outcome: Outcome, x: float, number: int) -> None:
    """The point of a trial: the best is a star, the default a diamond."""
    best = outcome.best is not None and number == outcome.best.number
    marker, size = ("*", 13) if best else ("D", 7) if number == 0 else ("o", 6)
    axes.plot(x, _height(outcome, number), marker, color=BEST if best else OTHER, ms=size, alpha=1 if best else 0.8)


def _height(outcome: Outcome, number: int) -> float:
    """How much better a trial is than the default; its score if the default has none."""
    better = outcome.gain(outcome.rows[number])
    return outcome.rows[number].value if math.isnan(better) else better


def _score_label(outcome: Outcome) -> str:
    return change_heading(outcome) if outcome.rows[0].finished else "score"
