"""What one image adds to the boundary scores: matched and present edge pixels at every threshold."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from afanet.tasks.edges.matching import Matching, within_reach
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
        nms: whether the map is suppressed where it is no maximum across an edge.

    >>> line = np.eye(5)
    >>> count_edges(line, line[None].astype(int), 0.1)[49].tolist()
    [5, 5, 5, 5]
    """
    edges, known = annotations == 1, (annotations != -1).any(0)
    reach = max_distance * math.hypot(*probability.shape)
    values = np.asarray(probability, np.float64)
    values = suppress(values) if nms else values
    places = np.flatnonzero(values >= THRESHOLDS[0])
    ids = np.full(values.shape, -1, np.intp)
    ids.ravel()[places] = np.arange(len(places))
    matchings = []
    for truth in edges:
        near, truths = within_reach(places, truth, reach)
        matchings.append(Matching(near, len(truths)))
    counts = np.zeros((len(THRESHOLDS), 4), np.int64)
    counts[:, 1] = edges.sum()
    before = np.zeros(len(places), bool)
    pixels = -1
    for row in reversed(range(len(THRESHOLDS))):
        raw = values >= THRESHOLDS[row]
        if raw.sum() == pixels:  # the same pixels as at the threshold above
            counts[row] = counts[row + 1]
            continue
        pixels = raw.sum()
        now = (thinned(raw) & known).ravel()[places]
        gone, come = np.flatnonzero(before & ~now).tolist(), np.flatnonzero(now & ~before).tolist()
        for matching in matchings:
            matching.remove(gone)
            matching.add(come)
        before = now
        counts[row, 0] = sum(matching.size for matching in matchings)
        counts[row, 2] = counts[row, 0] if len(matchings) == 1 else np.count_nonzero(
            np.any([np.array(matching.truth_of) >= 0 for matching in matchings], 0)
        )
        counts[row, 3] = now.sum()
    return counts
