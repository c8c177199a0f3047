"""What a sweep optimises."""

from __future__ import annotations

import math

import pytest

from afanet.sweeps.score import gain, value_of
from afanet.tasks import Classification, Depth

DEPTH, ROOM = Depth(), Classification("room", ["a", "b"])
BOTH = {"depth": DEPTH, "room": ROOM}


def test_one_task_is_compared_by_its_main_metric() -> None:
    assert value_of({"room": 0.25}, {"room": ROOM}) == 0.25
    assert value_of({"depth": 0.25}, {"depth": DEPTH}) == -0.25
    assert gain(0.5, 0.25, {"room": ROOM}) == 0.25


def test_units_do_not_matter_and_every_task_counts_alike() -> None:
    metres = value_of({"depth": 0.5, "room": 0.8}, BOTH) - value_of({"depth": 0.6, "room": 0.7}, BOTH)
    centimetres = value_of({"depth": 50, "room": 0.8}, BOTH) - value_of({"depth": 60, "room": 0.7}, BOTH)
    assert metres == pytest.approx(centimetres)
    better, base = value_of({"depth": 0.5 / 1.1, "room": 0.8 * 1.1}, BOTH), value_of({"depth": 0.5, "room": 0.8}, BOTH)
    assert gain(better, base, BOTH) == pytest.approx(10)  # per cent, in each of the two
    assert gain(base, base, BOTH) == 0


def test_a_score_that_is_missing_makes_no_number_and_one_of_zero_the_lowest() -> None:
    assert math.isnan(value_of({"depth": math.nan, "room": 0.8}, BOTH))
    assert math.isnan(value_of({"room": math.nan}, {"room": ROOM}))
    assert value_of({"depth": 1.0, "room": 0.0}, BOTH) == pytest.approx(math.log(1e-4) / 2)
