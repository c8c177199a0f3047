"""How many seeds a comparison needs, from the spread of those that it has."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from scipy import stats

from afanet.comparison.crossed import degrees_of_freedom
from afanet.comparison.images import BLOCKS

LEVEL, POWER = 0.05, 0.8
MOST = 10**6  # seeds
CERTAIN = 30.0  # standard errors: a change that large is always seen, and SciPy's tail is exact up to there


def power(change: float, seeds: int, seed_variance: float, image_variance: float, images: int) -> float:
    """How often a change of this size is distinguished from zero at the 5 % level, 0 to 1.

    The mean over S seeds has the variance V = seed_variance / S + image_variance. Its t is noncentral by change / sqrt
    V; the degrees of freedom follow from the shares in V.

    >>> round(power(0.5, 34, 1.0, 0.0, images=100), 3)  # as of any paired t-test
    0.808
    """
    variance = seed_variance / seeds + image_variance
    if variance == 0:
        return float(change != 0)
    df = degrees_of_freedom(seed_variance / seeds / variance, seeds, max(2, min(BLOCKS, images)))
    moved = min(abs(change) / np.sqrt(variance), CERTAIN)
    beyond = stats.t.ppf(1 - LEVEL / 2, df)
    wrong = np.nan_to_num(stats.nct.cdf(-beyond, df, moved))  # SciPy gives NaN where it is close to 0
    return float(stats.nct.sf(beyond, df, moved) + wrong)


def seeds_needed(change: float, seed_variance: float, image_variance: float, images: int) -> int | None:
    """The fewest seeds with which a change of this size is seen four times in five, at the 5 % level.

    None if no number of seeds is enough, because there are too few test images.

    Args:
        change: the change in the metric's own unit.
        seed_variance: the variance of the difference of one pair of seeds.
        image_variance: the variance of the mean difference due to the choice of test images, for any number of seeds.
        images: the number of test images.

    >>> seeds_needed(0.5, 1.0, 0.0, images=654), seeds_needed(0.5, 1.0, 0.1, images=654)
    (34, None)
    """

    def seen(seeds: int) -> float:
        return power(change, seeds, seed_variance, image_variance, images)

    if seen(MOST) < POWER:
        return None
    return 2 + bisect_left(range(2, MOST), POWER, key=seen)
