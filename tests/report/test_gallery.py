"""Which images are shown."""

from __future__ import annotations

import math

from afanet.report.gallery import choose


def test_the_best_and_the_worst_of_every_method_and_task_come_first() -> None:
    gains = {"afa": {"a": [0.0, 3.0, -2.0, 1.0], "b": [9.0, math.nan, 0.0, -9.0]}}
    assert choose(gains, 4, shown=4) == [1, 2, 0, 3]
    assert choose(gains, 4, shown=2) == [1, 2]


def test_without_gains_they_are_spread_over_the_split() -> None:
    assert choose({}, images=5, shown=3) == [0, 2, 4]
