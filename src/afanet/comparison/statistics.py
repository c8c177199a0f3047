"""How certain a difference is: paired intervals over seeds, or over images if there is one seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy import stats

from afanet.comparison.images import ImageScores
from afanet.comparison.resampling import Draw, by_fold, several_folds

LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """Scores of several runs: their mean and standard deviation (n - 1), which is no number for a single run."""

    mean: float
    deviation: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class Change:
    """A difference with its 95 % interval, and what the interval is over: `count` `seeds`, `folds` or `images`.

    There is no interval (no numbers) for one seed without scores of single images. `dropped` are the seeds or folds
    without a difference, since a score of theirs is no number.
    """

    mean: float
    low: float
    high: float
    over: str
    count: int = 0
    dropped: int = 0

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0

    def verdict(self, higher_is_better: bool) -> str:
        """`better` or `worse` if the interval excludes zero, else `same`; empty without an interval.

        >>> Change(-0.2, -0.3, -0.1, "seeds").verdict(higher_is_better=False)
        'better'
        """
        if math.isnan(self.mean) or math.isnan(self.low):
            return ""
        if not self.clear:
            return "same"
        return "better" if (self.mean > 0) == higher_is_better else "worse"


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation of the values; no numbers if a value is none, so that no seed is left out silently.

    >>> spread([1.0, 2.0, 3.0])
    Spread(mean=2.0, deviation=1.0, values=(1.0, 2.0, 3.0))
    >>> spread([1.0, 2.0, math.nan]).mean
    nan
    """
    each = torch.tensor(values, dtype=torch.float64)
    mean = each.mean().item() if len(each) else math.nan
    return Spread(mean, each.std().item() if len(each) > 1 else math.nan, tuple(values))


def change_over(draws: Sequence[Draw], differences: Sequence[float]) -> Change:
    """The change from a difference for each draw: over folds where there are several, else over seeds.

    >>> change = change_over([Draw(0, 0), Draw(0, 1), Draw(1, 0), Draw(1, 1)], [1.0, 3.0, 3.0, 5.0])
    >>> change.over, change.count, change.mean
    ('folds', 2, 3.0)
    """
    return paired_change(by_fold(draws, differences), "folds" if several_folds(draws) else "seeds")


def paired_change(differences: Sequence[float], over: str = "seeds") -> Change:
    """The mean of differences, one for each seed or fold, with Student's interval: mean ± t(0.975, n - 1) s / sqrt n.

    Differences that are no numbers are dropped, and counted: n is the number of the others.

    >>> change = paired_change([1.0, 2.0, 3.0, math.nan])
    >>> change.mean, round(change.low, 2), round(change.high, 2), change.count, change.dropped
    (2.0, -0.48, 4.48, 3, 1)
    """
    known = [difference for difference in differences if not math.isnan(difference)]
    count, dropped = len(known), len(differences) - len(known)
    differed = spread(known)
    if count < 2:
        return Change(differed.mean, math.nan, math.nan, over, count, dropped)
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * differed.deviation / math.sqrt(count)
    return Change(differed.mean, differed.mean - half, differed.mean + half, over, count, dropped)


def bootstrap_changes(run: ImageScores, base: ImageScores) -> dict[str, Change]:
    """For each metric of a task, the difference between two runs over the same images, with a bootstrap interval.

    The images are drawn with replacement a thousand times, the same ones for both runs. The interval goes from the
    2.5th to the 97.5th percentile of the differences. It says how far the difference depends on the test images,
    not on the seed of training. Samples without a labelled image are left out; a metric that is no number over all
    images has no difference and no interval.
    """
    ours, theirs = run.compute(), base.compute()
    edges = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    changes = {}
    for name, drawn in run.draws().items():
        known = drawn - base.draws()[name]
        known = known[known.isfinite()]
        mean = ours[name] - theirs[name]
        there = len(known) > 0 and not math.isnan(mean)
        low, high = known.quantile(edges).tolist() if there else (math.nan, math.nan)
        changes[name] = Change(mean, low, high, "images", len(run))
    return changes
