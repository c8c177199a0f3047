"""Intervals against scipy and closed forms, and whether they cover what they should."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from afanet.comparison.images import ImageScores
from afanet.comparison.statistics import Change, bootstrap_changes, paired_change, spread
from afanet.tasks import Classification, MultiLabel


def test_the_interval_over_seeds_is_the_paired_t_test() -> None:
    a, b = [0.31, 0.35, 0.30, 0.36], [0.30, 0.32, 0.31, 0.33]
    change = paired_change([x - y for x, y in zip(a, b, strict=True)])
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (change.low, change.high) == pytest.approx((expected.low, expected.high))
    assert change.clear == (stats.ttest_rel(a, b).pvalue < 0.05)


def test_one_seed_has_no_spread_and_no_interval() -> None:
    assert math.isnan(spread([0.5]).deviation)
    change = paired_change([0.5])
    assert math.isnan(change.low)
    assert not change.clear


def test_the_bootstrap_finds_a_difference_and_none() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(2, (400,), generator=generator)

    def guess(right: float) -> ImageScores:
        wrong = torch.rand(400, generator=generator) > right
        scores = ImageScores(Classification("a", ["n", "y"]))
        scores.update(torch.where(wrong, 1 - truth, truth), truth)
        return scores

    base, same, better = guess(0.7), guess(0.7), guess(0.9)
    assert bootstrap_changes(better, base)["accuracy"].clear
    assert not bootstrap_changes(same, base)["accuracy"].clear
    alike = bootstrap_changes(base, base)["accuracy"]
    assert (alike.mean, alike.low, alike.high) == (0, 0, 0)


def test_the_bootstrap_interval_of_an_accuracy_is_about_the_normal_one() -> None:
    generator = torch.Generator().manual_seed(3)
    truth = torch.zeros(500, dtype=torch.int64)
    ours = (torch.rand(500, generator=generator) > 0.8).long()
    theirs = (torch.rand(500, generator=generator) > 0.7).long()
    scores = []
    for guess in (ours, theirs):
        one = ImageScores(Classification("a", ["n", "y"]))
        one.update(guess, truth)
        scores.append(one)
    change = bootstrap_changes(*scores)["accuracy"]
    differences = (theirs - ours).double().numpy()
    half = 1.96 * differences.std() / np.sqrt(500)
    assert change.mean == pytest.approx(differences.mean())
    assert change.high - change.low == pytest.approx(2 * half, rel=0.1)


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(-9, 9), min_size=1, max_size=5), place=st.integers(0, 5))
def test_a_mean_of_what_is_no_number_is_none_and_a_change_is_over_the_other_pairs(
    values: list[float], place: int
) -> None:
    alone = paired_change(values)
    values.insert(min(place, len(values)), math.nan)
    found, change = spread(values), paired_change(values)
    assert math.isnan(found.mean)
    assert math.isnan(found.deviation)
    assert (change.count, change.dropped) == (len(values) - 1, 1)
    assert (change.mean, change.low, change.high) == pytest.approx((alone.mean, alone.low, alone.high), nan_ok=True)


def test_a_pair_without_a_number_gives_no_degree_of_freedom() -> None:
    change = paired_change([1.0, 2.0, 3.0, math.nan])
    expected = stats.ttest_1samp([1.0, 2.0, 3.0, math.nan], 0, nan_policy="omit").confidence_interval(0.95)
    assert (change.low, change.high) == pytest.approx((expected.low, expected.high))
    nothing = paired_change([math.nan, math.nan])
    assert all(map(math.isnan, (nothing.mean, nothing.low, nothing.high)))
    assert nothing.dropped == 2


def test_a_change_of_what_is_no_number_has_no_interval_and_no_verdict() -> None:
    base, other = (ImageScores(MultiLabel("tags", ["x"])) for _ in range(2))
    base.update(torch.tensor([[0], [0]]), torch.tensor([[0], [0]]))  # on nowhere: there is no F1
    other.update(torch.tensor([[1], [0]]), torch.tensor([[0], [0]]))
    change = bootstrap_changes(other, base)["macro_f1"]
    assert all(map(math.isnan, (change.mean, change.low, change.high)))
    assert Change(math.nan, 0.1, 0.2, "images").verdict(True) == ""
