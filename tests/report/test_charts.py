"""What a chart draws of numbers that are none."""

from __future__ import annotations

import numpy as np
import pytest

from afanet.report import charts


def test_a_mean_over_seeds_has_a_gap_where_one_of_them_has_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "as_svg", lambda figure: figure)
    values = np.array([[1.0, np.nan, 3.0], [3.0, 2.0, 5.0]])
    figure = charts.lines({"afa": ([1, 2, 3], values)}, {"afa": "#3f90da"}, "loss")
    [drawn] = figure.axes[0].lines  # type: ignore[attr-defined]
    assert np.allclose(drawn.get_ydata(), [2, np.nan, 4], equal_nan=True)
