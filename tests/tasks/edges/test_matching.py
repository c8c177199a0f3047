"""Matchings against a minimum-cost assignment with outliers, by SciPy's dense solver, and thinning pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.tasks.edges.dense import cheapest

from afanet.tasks.edges.matching import Matching, within_reach
from afanet.tasks.edges.thin import thinned

Bools = NDArray[np.bool_]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), dense=st.floats(0.05, 0.9), reach=st.sampled_from([0.5, 1, 1.5, 2.3, 4]))
def test_it_has_as_many_pairs_as_the_cheapest_assignment_whatever_comes_and_goes(
    seed: int, dense: float, reach: float
) -> None:
    rng = np.random.default_rng(seed)
    predicted, truth = rng.random((2, 7, 9)) < dense
    matching = Matching(within_reach(predicted, truth, reach), int(truth.sum()))
    present = np.zeros(int(predicted.sum()), bool)
    for share in (0.5, 1.0, 0.3, 0.8):
        wanted = rng.random(len(present)) < share
        matching.remove(np.flatnonzero(present & ~wanted).tolist())
        matching.add(np.flatnonzero(wanted & ~present).tolist())
        present = wanted
        shown = predicted.copy()
        shown[predicted] = present
        assert matching.size == cheapest(shown, truth, reach)[0].sum()
        pairs = [(number, match) for number, match in enumerate(matching.truth_of) if match >= 0]
        assert len(pairs) == matching.size == len({match for _, match in pairs})
        assert all(present[number] and match in matching.near[number] for number, match in pairs)


def slowly_thinned(edges: Bools) -> Bools:
    """The rules as MATLAB's manual has them, a pixel at a time."""
    image = np.pad(edges, 1)
    while True:
        start = image.copy()
        for half in (0, 1):
            gone = [at for at in np.argwhere(image) if _goes(image, *at, half=half)]
            for y, x in gone:
                image[y, x] = False
        if (image == start).all():
            return image[1:-1, 1:-1]


def _goes(image: Bools, y: int, x: int, half: int) -> bool:
    x1, x2, x3, x4, x5, x6, x7, x8 = n = [
        bool(image[y + dy, x + dx]) for dy, dx in ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
    ]
    crossings = sum(not n[2 * i] and (n[2 * i + 1] or n[(2 * i + 2) % 8]) for i in range(4))
    n1 = (x1 or x2) + (x3 or x4) + (x5 or x6) + (x7 or x8)
    n2 = (x2 or x3) + (x4 or x5) + (x6 or x7) + (x8 or x1)
    blocked = ((x2 or x3 or not x8) and x1) if half == 0 else ((x6 or x7 or not x4) and x5)
    return crossings == 1 and 2 <= min(n1, n2) <= 3 and not blocked


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), dense=st.floats(0.1, 1))
def test_thinning_follows_the_rules_of_bwmorph(seed: int, dense: float) -> None:
    edges = np.random.default_rng(seed).random((9, 11)) < dense
    assert np.array_equal(thinned(edges), slowly_thinned(edges))
    assert np.array_equal(thinned(np.asfortranarray(edges)), slowly_thinned(edges))


@pytest.mark.parametrize("width", [1, 3, 5])
def test_a_thick_line_becomes_one_in_its_middle(width: int) -> None:
    edges = np.zeros((40, 21), bool)
    edges[5:35, 10 - width // 2 : 11 + width // 2] = True
    thin = thinned(edges)
    assert thin.sum(1).max() == 1
    assert thin[8:32, 10].all()
