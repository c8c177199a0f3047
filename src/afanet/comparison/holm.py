"""Holm's correction: of many comparisons, some are below 5 % by chance alone."""

from __future__ import annotations

import math
from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number by the method of Holm (1979); NaN is not counted and stays NaN.

    Of m sorted p_1 <= ... <= p_m, the k-th becomes the largest of min(1, (m - j + 1) p_j) over j <= k. If all
    differences below alpha are called real, the probability that any of them is not is at most alpha, however they
    depend on each other.

    >>> holm([0.01, 0.04, 0.03, math.nan])
    [0.03, 0.06, 0.06, nan]
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    corrected, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[place] = largest
    return corrected
