"""How certain a difference is: paired intervals over seeds and images, over folds, or, with one seed, over images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import stats

from afanet.comparison.crossed import Array, crossed
from afanet.comparison.images import ImageScores
from afanet.comparison.resampling import Draw, by_fold, several_folds

LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """Scores of several runs: their mean and standard deviation (n - 1), which is NaN for a single run."""

    mean: float
    deviation: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class Change:
    """A difference with its 95 % interval.

    Without scores of single images, there is no interval for one seed: its ends are NaN.

    Args:
        mean, low, high: the difference, and the ends of its interval.
        over: what the interval is over: `seeds and images`, `seeds`, `folds` or `images`.
        count: the number of seeds or folds; of images, if the interval is over images alone.
        dropped: the number of seeds or folds without a difference, because one of their scores is not a number.
        p: the p-value of the t-test that belongs to the interval, two-sided; NaN over images alone.
        df: the degrees of freedom of the t-test.
        p_holm: p corrected for all methods and tasks of a table, only for main metrics.
        seed_variance: the variance of one seed's difference, including the images' effect on it alone.
        image_variance: the part of the mean's variance that no number of seeds reduces; 0 if unknown.
    """

    mean: float
    low: float
    high: float
    over: str
    count: int = 0
    dropped: int = 0
    p: float = math.nan
    df: float = math.nan
    p_holm: float = math.nan
    seed_variance: float = math.nan
    image_variance: float = 0.0

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
    """Mean and standard deviation of the values; NaN if one value is NaN, so that no seed is left out silently.

    >>> spread([1.0, 2.0, 3.0])
    Spread(mean=2.0, deviation=1.0, values=(1.0, 2.0, 3.0))
    >>> spread([1.0, 2.0, math.nan]).mean
    nan
    """
    each = torch.tensor(values, dtype=torch.float64)
    mean = each.mean().item() if len(each) else math.nan
    return Spread(mean, each.std().item() if len(each) > 1 else math.nan, tuple(values))


def change_over(draws: Sequence[Draw], differences: Sequence[float], left_out: Sequence[Array] = ()) -> Change:
    """The change from one difference for each draw: over folds if there are several, else over seeds.

    `left_out` has the differences without each block of images, (draws, blocks), if the images of all draws were
    scored; the change is then over seeds and images.

    >>> change = change_over([Draw(0, 0), Draw(0, 1), Draw(1, 0), Draw(1, 1)], [1.0, 3.0, 3.0, 5.0])
    >>> change.over, change.count, change.mean
    ('folds', 2, 3.0)
    """
    if several_folds(draws):
        return paired_change(by_fold(draws, differences), "folds")
    known = len(left_out) == len(differences)
    return crossed_change(differences, left_out) if known else paired_change(differences)


def paired_change(differences: Sequence[float], over: str = "seeds") -> Change:
    """The mean of differences, one for each seed or fold, with Student's interval: mean ± t(0.975, n - 1) s / sqrt n.

    Differences that are not numbers are dropped and counted in `dropped`: n is the number of the others.

    >>> change = paired_change([1.0, 2.0, 3.0, math.nan])
    >>> change.mean, round(change.low, 2), round(change.high, 2), change.count, change.dropped
    (2.0, -0.48, 4.48, 3, 1)
    """
    known = [difference for difference in differences if not math.isnan(difference)]
    count, dropped = len(known), len(differences) - len(known)
    differed = spread(known)
    if count < 2:
        return Change(differed.mean, math.nan, math.nan, over, count, dropped)
    of_one = differed.deviation**2
    change = Change(differed.mean, math.nan, math.nan, over, count, dropped, seed_variance=of_one)
    return _with_interval(change, of_one / count, count - 1)


def crossed_change(differences: Sequence[float], left_out: Sequence[Array]) -> Change:
    """The mean of differences, one for each seed, with the interval of `crossed` over seeds and images.

    Seeds without a number are dropped, and so are blocks without which a difference is not a number. With fewer than
    two blocks left, the change is over seeds alone.

    >>> change = crossed_change([1.0, 3.0, 2.0], [np.array([1.0, 1.0]), np.array([3.0, 3.0]), np.array([2.0, 2.0])])
    >>> change == replace(paired_change([1.0, 3.0, 2.0]), over="seeds and images")  # where images do not matter
    True
    """
    each = np.array(differences, np.float64)
    known = ~np.isnan(each)
    without = np.stack(left_out)[known]
    without = without[:, np.isfinite(without).all(0)]
    if known.sum() < 2 or without.shape[1] < 2:
        return paired_change(differences)
    found, count = crossed(each[known], without), int(known.sum())
    change = Change(float(found.mean), math.nan, math.nan, "seeds and images", count, len(each) - count)
    change = replace(change, seed_variance=float(found.seeds) * count, image_variance=float(found.images))
    return _with_interval(change, float(found.variance), float(found.df))


def _with_interval(change: Change, variance: float, df: float) -> Change:
    """The change with mean ± t(0.975, df) sqrt variance, and the p-value of the t-test that belongs to it."""
    error = math.sqrt(variance)
    half = float(stats.t.ppf((1 + LEVEL) / 2, df)) * error
    p = 2 * float(stats.t.sf(abs(change.mean) / error, df)) if error else float(change.mean == 0)
    return replace(change, low=change.mean - half, high=change.mean + half, p=p, df=float(df))


def bootstrap_changes(run: ImageScores, base: ImageScores) -> dict[str, Change]:
    """For each metric of a task, the difference between two runs over the same images, with a bootstrap interval.

    The images are drawn with replacement a thousand times, the same ones for both runs. The interval goes from the
    2.5th to the 97.5th percentile of the differences. It says how far the difference depends on the test images, not on
    the seed of training. Samples without a labelled image are left out; a metric that is not a number over all images
    has no difference and no interval.
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
