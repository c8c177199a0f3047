"""Counts of one image against SciPy's dense solver at each threshold by itself, with one annotator and several."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tasks.edges.dense import cheapest, only_one

from afanet.tasks.edges.counts import THRESHOLDS, count_edges
from afanet.tasks.edges.thin import thinned


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), annotators=st.integers(1, 3))
def test_counts_are_those_of_each_threshold_by_itself(seed: int, annotators: int) -> None:
    rng = np.random.default_rng(seed)
    map_, truths = rng.random((8, 9)), (rng.random((annotators, 8, 9)) < 0.3).astype(np.int8)
    counts = count_edges(map_, truths, 0.15, nms=False)
    reach = 0.15 * np.hypot(8, 9)
    for row in (0, 30, 60, 98):
        thin = thinned(map_ >= THRESHOLDS[row])
        found = [int(cheapest(thin, truth == 1, reach)[0].sum()) for truth in truths]
        recalled, edges, right, predicted = counts[row].tolist()
        assert (recalled, edges, predicted) == (sum(found), truths.sum(), thin.sum())
        assert max(found) <= right <= min(sum(found), predicted)
        assert annotators > 1 or right == recalled
        matched = [each for truth in truths if (each := only_one(thin, truth == 1, reach)) is not None]
        assert len(matched) < annotators or right == np.any(matched, 0).sum()


RNG = np.random.default_rng(0)
MAP, TRUTHS = RNG.random((24, 32)), (RNG.random((3, 24, 32)) < 0.2).astype(np.int8)


def test_an_annotator_who_comes_twice_is_recalled_twice_and_changes_nothing_else() -> None:
    once, twice = (count_edges(MAP, TRUTHS[:1].repeat(n, 0), 0.06) for n in (1, 2))
    assert np.array_equal(twice, once * (2, 2, 1, 1))


def test_the_order_of_annotators_does_not_matter() -> None:
    assert np.array_equal(count_edges(MAP, TRUTHS, 0.06), count_edges(MAP, TRUTHS[::-1], 0.06))
