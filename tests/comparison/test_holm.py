"""Holm's correction against its definition, and against statsmodels where that is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.comparison.holm import holm


def rejected(p_values: list[float], level: float) -> list[bool]:
    """Holm's procedure as his paper has it: step down from the smallest, until one is too large."""
    decided, going = [False] * len(p_values), True
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        going = going and p_values[place] <= level / (len(p_values) - rank)
        decided[place] = going
    return decided


@settings(max_examples=100, deadline=None)
@given(p_values=st.lists(st.integers(0, 1000).map(lambda n: n / 1000), max_size=8))
def test_what_is_below_a_level_is_what_the_procedure_rejects_at_it(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for level in (0.0103, 0.0507, 0.3001):
        assert [p <= level for p in corrected] == rejected(p_values, level)
    assert all(before <= after <= 1 for before, after in zip(p_values, corrected, strict=True))


def test_a_textbook_s_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_what_is_no_number_does_not_count() -> None:
    first, nothing, last = holm([0.02, math.nan, 0.5])
    assert (first, last) == pytest.approx((0.04, 0.5))
    assert math.isnan(nothing)
    assert holm([]) == []


def test_it_is_that_of_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p_values = np.random.default_rng(0).uniform(size=30) ** 3
    assert holm(list(p_values)) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])
