"""What a chart draws of numbers that are none, and of names that are more."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from afanet.report import charts
from afanet.report.flows import flow_drawing, profile_drawing

ODD = [
    "</text><script>alert(1)</script>",
    'font: 9px x" onload="alert(1)',
    'style="font: 9px a',
    "--><img src=x onerror=alert(1)>",
    r"$\frac{1}$",
    "<metadata>",
    "a & b",
]


def tags(svg: str) -> set[str]:
    return {one.tag.partition("}")[2] for one in ElementTree.fromstring(svg.replace("href=", "data-href=")).iter()}


def texts(svg: str) -> set[str]:
    return {one.text or "" for one in ElementTree.fromstring(svg.replace("href=", "data-href=")).iter()}


@pytest.mark.parametrize("name", ODD)
def test_a_name_is_text_in_a_chart(name: str) -> None:
    ink = charts.colours(["single", name])
    matrix = np.array([[3.0, 1.0], [0.0, 2.0]])
    shares = np.array([[0.9, 0.1], [0.4, 0.6]])
    drawn = {
        "lines": charts.lines({name: ([1, 2], np.ones((2, 2)))}, ink, name),
        "bars": charts.bars({name: {"a": 1.0, name: 2.0}}, ["a", name], ink, "change"),
        "confusion": charts.confusion(matrix, ["a", name], "single"),
        "scatter": charts.scatter({"single": (1, 2), name: (2, 1)}, ink, "x", "y"),
        "flow": flow_drawing(shares, ["a", name], name),
        "profile": profile_drawing({"a": shares, name: 1 - shares}, name),
    }
    for kind, svg in drawn.items():
        assert tags(svg) <= {"svg", "defs", "style", "g", "path", "text", "use", "clipPath", "rect", "tspan", "image"}
        assert any(name[:13] in text for text in texts(svg)), kind
        assert not re.search(r"<[^<>]*font: ", svg), "the page's own font is told by size alone"


def test_points_of_equal_cost_are_not_cut_off_at_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "as_svg", lambda figure: figure)
    figure = charts.scatter({"a": (2.0, 0.0), "b": (2.0, 1.0)}, {"a": "red", "b": "blue"}, "cost", "gain")
    assert figure.axes[0].get_xlim() == (0, pytest.approx(2.2))


def test_a_mean_over_seeds_has_a_gap_where_one_of_them_has_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "as_svg", lambda figure: figure)
    values = np.array([[1.0, np.nan, 3.0], [3.0, 2.0, 5.0]])
    figure = charts.lines({"afa": ([1, 2, 3], values)}, {"afa": "#3f90da"}, "loss")
    [drawn] = figure.axes[0].lines  # type: ignore[attr-defined]
    assert np.allclose(drawn.get_ydata(), [2, np.nan, 4], equal_nan=True)
