"""Assignments against SciPy's dense solver, whatever comes and goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tasks.edges.dense import OUTLIER, cheapest, only_one

from afanet.tasks.edges.assignment import Assignment


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), dense=st.floats(0.05, 0.9), reach=st.sampled_from([0.5, 1, 1.5, 2.3, 4]))
def test_it_costs_as_little_as_any_and_matches_the_same_pixels_if_no_other_costs_as_little(
    seed: int, dense: float, reach: float
) -> None:
    rng = np.random.default_rng(seed)
    predicted, truth = rng.random((2, 7, 9)) < dense
    places, true_places = np.argwhere(predicted), np.argwhere(truth)
    assignment = Assignment(predicted, truth, reach)
    present = np.zeros(len(places), bool)
    for share in (0.5, 1.0, 0.3, 0.8):
        wanted = rng.random(len(present)) < share
        assignment.remove(np.flatnonzero(present & ~wanted).tolist())
        assignment.add(rng.permutation(np.flatnonzero(wanted & ~present)).tolist())
        present = wanted
        shown = predicted.copy()
        shown[predicted] = present

        truth_of = np.array(assignment.truth_of, int)
        matched = truth_of >= 0
        distances = np.linalg.norm(places[matched] - true_places[truth_of[matched]], axis=1)
        assert len(set(truth_of[matched].tolist())) == matched.sum() == assignment.size
        assert (distances <= reach).all()
        assert not matched[~present].any()
        cost = distances.sum() + OUTLIER * reach * (present.sum() - assignment.size)
        assert cost == pytest.approx(cheapest(shown, truth, reach)[1])
        unique = only_one(shown, truth, reach)
        assert unique is None or np.array_equal(matched[present], unique)


def test_a_pair_more_is_worth_as_much_as_long_ways_for_others() -> None:
    predicted, truth = np.zeros((1, 60), bool), np.zeros((1, 60), bool)
    predicted[0, 0:50], truth[0, 1:51] = True, True
    assignment = Assignment(predicted, truth, reach=1)
    assignment.add(range(1, 50))
    assert assignment.truth_of == [-1, *range(49)]  # each on itself, and the last true pixel is free
    assignment.add([0])
    assert assignment.truth_of == list(range(50))  # all have moved by a pixel
    assignment.remove([49])
    assert assignment.size == 49


def test_a_pixel_out_of_reach_of_all_is_left_alone() -> None:
    assignment = Assignment(np.eye(9, dtype=bool), np.zeros((9, 9), bool), reach=2)
    assignment.add([0, 3])
    assignment.remove([3])
    assert (assignment.size, assignment.truth_of) == (0, [-1] * 9)
