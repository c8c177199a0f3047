"""Drawings of flows: what is drawn is what was given, and many tasks are reduced."""

from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib import colormaps

from afanet.report.charts import ink_on
from afanet.report.flows import flow_drawing, profile_drawing, together


def shares(tasks: int) -> np.ndarray:
    drawn = np.random.default_rng(tasks).uniform(0.1, 1, (tasks, tasks))
    return drawn / drawn.sum(1, keepdims=True)


def words(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


@pytest.mark.parametrize("tasks", [2, 3, 4])
def test_a_few_tasks_are_rings_with_an_arrow_for_every_connection(tasks: int) -> None:
    names, flow = [f"task {number}" for number in range(tasks)], shares(tasks)
    svg = flow_drawing(flow, names, "a layer")
    assert svg.count("clip-path") == tasks * (tasks - 1) + 2 * tasks  # an arrow each; a ring and what it keeps
    said = words(svg)
    assert {"a layer", *names, *(f"{own:.0%}" for own in flow.diagonal())} <= set(said)
    taken = {f"{share:.1%}" for share in flow[~np.eye(tasks, dtype=bool)]}
    assert taken <= set(said) if tasks == 2 else not taken & set(said)


def test_what_takes_nothing_has_no_arrow() -> None:
    svg = flow_drawing(np.array([[1.0, 0.0], [0.3, 0.7]]), ["a", "b"], "")
    assert svg.count("clip-path") == 1 + 4
    assert "30.0%" in words(svg)
    assert "0.0%" not in words(svg)


@pytest.mark.parametrize("tasks", [5, 8, 12])
def test_more_tasks_are_cells_that_hold_their_shares(tasks: int) -> None:
    names, flow = [f"task {number}" for number in range(tasks)], shares(tasks)
    said = words(flow_drawing(flow, names, "a layer"))
    assert [said.count(name) for name in names] == tasks * [2]  # as a row and as a column
    assert sorted(word for word in said if word.isdigit()) == sorted(f"{100 * share:.0f}" for share in flow.flat)


def test_many_tasks_are_cells() -> None:
    names = [f"task {number}" for number in range(40)]
    svg = flow_drawing(shares(40), names, "a layer")
    assert set(names) <= set(words(svg))
    assert len(svg) < 500_000
    assert words(svg).count("task 3") == 2  # as a row and as a column


def test_what_all_tasks_share_is_drawn_once_and_many_in_one() -> None:
    same, other = np.linspace(0, 1, 6).reshape(2, 3), np.zeros((2, 3))
    assert "every task" in words(profile_drawing({"a": same, "b": same}, "a layer"))
    assert {"a", "b"} <= set(words(profile_drawing({"a": same, "b": other}, "a layer")))
    many = {str(number): same + number for number in range(6)}
    assert together(many, np.concatenate)["all tasks together"].shape == (12, 3)
    np.testing.assert_allclose(together(many, lambda all_: np.mean(all_, 0))["all tasks together"], same + 2.5)


def test_words_on_cells_can_be_read() -> None:
    def luminance(colour: np.ndarray) -> float:
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for share in np.linspace(0, 1, 101):
        cell = luminance(np.array(colormaps["viridis"](share)[:3]))
        ink = 1.0 if ink_on(colormaps["viridis"](share)) == "white" else luminance(np.full(3, 1 / 255))
        assert (max(cell, ink) + 0.05) / (min(cell, ink) + 0.05) >= 4.5
