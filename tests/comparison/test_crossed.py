"""The two-way model against an analysis of variance, and at its two ends against Student's t and a jackknife."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.comparison.crossed import crossed, degrees_of_freedom
from afanet.comparison.statistics import crossed_change, paired_change


def without_each(differences: np.ndarray) -> np.ndarray:
    """The means (..., S, n) without each image of a linear metric."""
    return (differences.sum(-1, keepdims=True) - differences) / (differences.shape[-1] - 1)


def test_of_a_mean_over_images_the_parts_are_those_of_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    seeds, images = 4, 30
    d = rng.normal(0, 0.3, (seeds, 1)) + rng.normal(0, 2, images) + rng.normal(0, 1, (seeds, images))
    found = crossed(d.mean(1), without_each(d))
    residual = d - d.mean(0) - d.mean(1, keepdims=True) + d.mean()
    of_images = seeds * d.mean(0).var(ddof=1)  # mean squares
    of_both = (residual**2).sum() / ((seeds - 1) * (images - 1))
    assert found.mean == pytest.approx(d.mean())
    assert found.seeds == pytest.approx(d.mean(1).var(ddof=1) / seeds)
    assert found.images == pytest.approx((of_images - of_both) / (seeds * images))


def test_it_is_unbiased_and_works_on_many_at_once() -> None:
    rng = np.random.default_rng(1)
    seeds, images, many = 3, 50, 4000
    d = rng.normal(0, 0.1, (many, seeds, 1)) + rng.normal(0, 1, (many, 1, images))
    d = d + rng.normal(0, 2, (many, seeds, images))
    found = crossed(d.mean(2), without_each(d))
    truth = 0.1**2 / seeds + 1 / images + 2**2 / (seeds * images)
    assert found.mean.shape == found.df.shape == (many,)
    assert found.mean.var() == pytest.approx(truth, rel=0.07)
    assert found.variance.mean() == pytest.approx(truth, rel=0.07)


@settings(max_examples=50, deadline=None)
@given(share=st.floats(0, 1), seeds=st.integers(2, 20), blocks=st.integers(2, 100))
def test_degrees_of_freedom_lie_between_those_of_the_parts(share: float, seeds: int, blocks: int) -> None:
    df = float(degrees_of_freedom(share, seeds, blocks))
    low, high = sorted((seeds - 1, blocks - 1))
    assert low * (1 - 1e-9) <= df <= high * (1 + 1e-9)
    satterthwaite = 1 / (share**2 / (seeds - 1) + (1 - share) ** 2 / (blocks - 1))
    assert df <= satterthwaite * (1 + 1e-9)


def test_images_that_do_not_matter_leave_student_s_t_over_seeds() -> None:
    each = [0.1, 0.4, 0.2]
    change = crossed_change(each, [np.full(9, value) for value in each])
    alone = paired_change(each)
    assert (change.low, change.high, change.p, change.df) == pytest.approx((alone.low, alone.high, alone.p, alone.df))


def test_seeds_and_blocks_without_a_number_are_dropped() -> None:
    rng = np.random.default_rng(2)
    d = rng.normal(1, 1, (4, 20))
    each, without = d.mean(1), without_each(d)
    expected = crossed_change(list(each[1:]), list(without[1:, :-1]))
    without[2, -1], each[0] = np.nan, np.nan
    change = crossed_change(list(each), list(without))
    assert (change.count, change.dropped) == (3, 1)
    assert (change.low, change.high) == pytest.approx((expected.low, expected.high))
    assert crossed_change([1.0, 2.0], [np.array([np.nan, 1.0])] * 2).over == "seeds"
    assert crossed_change([1.0, np.nan], list(without[:2])).over == "seeds"
