"""The benchmark's assignment by SciPy's dense solver: a predicted pixel may go to an outlier instead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Bools = NDArray[np.bool_]
OUTLIER = 100  # times the reach: what the benchmark takes for a pixel without a match
SMALL = 1e-6  # decides between assignments of equal cost alone


def cheapest(predicted: Bools, truth: Bools, reach: float, other_than: Bools | None = None) -> tuple[Bools, float]:
    """Which predicted pixels it matches, and its cost: distances, and `OUTLIER` reaches a predicted pixel without one.

    Of several with this cost it is one that matches other predicted pixels than `other_than`, if there is one.
    """
    a, b = np.argwhere(predicted), np.argwhere(truth)
    distance = np.linalg.norm(a[:, None] - b[None], axis=2)
    cost = np.full((len(a), len(b) + len(a)), OUTLIER * float(reach))
    cost[:, : len(b)] = np.where(distance <= reach, distance, 1e9)
    ties = np.zeros_like(cost)
    if other_than is not None:
        ties[:, : len(b)] = np.where(other_than, SMALL, -SMALL)[:, None]
    rows, columns = linear_sum_assignment(cost + ties)
    return columns < len(b), float(cost[rows, columns].sum())


def only_one(predicted: Bools, truth: Bools, reach: float) -> Bools | None:
    """The predicted pixels that are matched in every assignment of least cost; None if several sets are possible."""
    matched, _ = cheapest(predicted, truth, reach)
    again, _ = cheapest(predicted, truth, reach, other_than=matched)
    return matched if np.array_equal(matched, again) else None
