"""What one image adds to the boundary scores: matched and present edge pixels at every threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from afanet.tasks.edges.assignment import Assignment
from afanet.tasks.edges.matching import FREE, Matching, within_reach
from afanet.tasks.edges.thin import suppress, thinned

Counts = NDArray[np.int64]
THRESHOLDS = np.arange(1, 100) / 100


def count_edges(
    probability: NDArray[np.floating], annotations: NDArray[np.integer], max_distance: float, nms: bool = True
) -> Counts:
    """Counts (99, 4) at the thresholds 0.01 to 0.99: matched true, true, matched predicted, predicted edge pixels.

    Args:
        probability: (H, W), 0 to 1.
        annotations: (A, H, W) of one or more people: 1 edge, 0 none, -1 not labelled.
        max_distance: in diagonals of the image.
        nms: whether to apply non-maximum suppression across edges first.

    >>> line = np.eye(5)
    >>> count_edges(line, line[None].astype(int), 0.1, nms=False)[49].tolist()
    [5, 5, 5, 5]
    """
    edges, known = annotations == 1, (annotations != -1).any(0)
    values = np.asarray(probability, np.float64)
    values = suppress(values) if nms else values
    candidates = values >= THRESHOLDS[0]
    reach = max_distance * math.hypot(*values.shape)
    matchings = _matchings(candidates, edges, reach)
    present, pixels = np.zeros(int(candidates.sum()), bool), 0
    counts = np.zeros((len(THRESHOLDS), 4), np.int64)
    for row in reversed(range(len(THRESHOLDS))):
        above = values >= THRESHOLDS[row]
        if (number := int(above.sum())) > pixels:  # else they are the same as at the threshold above
            pixels, before = number, present
            present = (thinned(above) & known)[candidates]
            gone, come = (np.flatnonzero(each).tolist() for each in (before & ~present, present & ~before))
            for matching in matchings:
                matching.remove(gone)
                matching.add(come)
        counts[row] = sum(each.size for each in matchings), edges.sum(), _matched(matchings), present.sum()
    return counts


def _matchings(
    candidates: NDArray[np.bool_], edges: NDArray[np.bool_], reach: float
) -> Sequence[Matching] | Sequence[Assignment]:
    """A largest matching for one annotator, since its size decides; for several the cheapest, since its pixels do."""
    if len(edges) == 1:
        return [Matching(within_reach(candidates, edges[0], reach), int(edges.sum()))]
    return [Assignment(candidates, truth, reach) for truth in edges]


def _matched(matchings: Sequence[Matching] | Sequence[Assignment]) -> int:
    """How many predicted pixels match an edge of any annotator."""
    if len(matchings) == 1:
        return matchings[0].size
    return int(np.any([np.array(matching.truth_of) != FREE for matching in matchings], axis=0).sum())
