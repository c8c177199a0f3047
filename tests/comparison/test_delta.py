"""delta_m: the literature's where baselines are ordinary, within ±100 % everywhere, and silent about nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.comparison.delta import MOST, Delta, Pair, Scores, delta_m, delta_notes, relative_gain, total_gain
from afanet.comparison.resampling import Draw
from afanet.tasks import Classification, Depth, Task

TASKS: dict[str, Task] = {"depth": Depth(), "age": Classification("age", ["young", "old"])}
METRICS = [(name, metric) for name, task in TASKS.items() for metric in task.higher_is_better]


def scores(values: list[float]) -> Scores:
    table: dict[str, dict[str, float]] = {name: {} for name in TASKS}
    for (name, metric), value in zip(METRICS, values, strict=True):
        table[name][metric] = value
    return table


def pairs(ours: np.ndarray, theirs: np.ndarray) -> list[Pair]:
    return [
        Pair(Draw(None, seed), scores(a), scores(b))
        for seed, (a, b) in enumerate(zip(ours.tolist(), theirs.tolist(), strict=True))
    ]


def test_it_is_that_of_the_literature_where_baselines_are_ordinary() -> None:
    """Maninis et al. 2019, equation 3, with the mean over a task's metrics of Vandenhende et al. 2021."""
    rng = np.random.default_rng(0)
    theirs = rng.uniform(0.2, 0.9, (3, len(METRICS)))
    ours = theirs * rng.uniform(0.6, 1.4, theirs.shape)
    lower = np.array([not TASKS[name].higher_is_better[metric] for name, metric in METRICS])
    change = 100 * (-1.0) ** lower * (ours - theirs) / theirs
    of_depth = np.array([name == "depth" for name, _ in METRICS])
    expected = (change[:, of_depth].mean(1) + change[:, ~of_depth].mean(1)) / 2
    delta = total_gain(pairs(ours, theirs), TASKS)
    assert delta.changes["by_task"].mean == pytest.approx(expected.mean(), rel=1e-12)
    assert delta.changes["by_metric"].mean == pytest.approx(change.mean(), rel=1e-12)
    half = 4.302652729749464 * expected.std(ddof=1) / math.sqrt(3)  # t(0.975, 2)
    assert delta.changes["by_task"].high == pytest.approx(expected.mean() + half, rel=1e-12)
    assert delta.whole
    assert not delta.left_out
    assert not delta.limited


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(
        st.lists(st.floats(allow_infinity=False), min_size=len(METRICS), max_size=len(METRICS)), min_size=4, max_size=4
    )
)
def test_it_cannot_explode_and_every_metric_is_in_it_or_named(values: list[list[float]]) -> None:
    delta = total_gain(pairs(np.array(values[:2]), np.array(values[2:])), TASKS)
    for change in delta.changes.values():
        for end in (change.mean, change.low, change.high):
            assert math.isnan(end) or -MOST <= end <= MOST
        assert math.isnan(change.mean) or change.low <= change.mean <= change.high
    finite = len(METRICS) - len(delta.left_out)
    assert (finite == 0) == math.isnan(delta.changes["by_metric"].mean)
    assert not (delta.whole and delta.limited)


def test_a_baseline_near_nothing_is_left_out_or_limited_for_all_seeds_and_named() -> None:
    ordinary = np.full((3, len(METRICS)), 0.5)
    ours, theirs = 1.02 * ordinary, ordinary.copy()
    theirs[1, 0], theirs[0, 1] = 0.00004, 0.001  # next to nothing, and tiny
    ours[2, 2] = math.nan
    delta = total_gain(pairs(ours, theirs), TASKS)
    assert delta.left_out == {
        "depth abs": "single task has less than 0.0001 in seed 1",
        "depth sq_rel": "no value in seed 2",
    }
    assert delta.limited == {"depth rel": "seed 0"}
    assert not delta.whole
    # of depth eight metrics are left: five errors, the first limited to -100 % with seed 0, and three shares with +2 %
    lower = [-2.0] * 4
    expected = [np.mean([first, *lower, 2, 2, 2]) / 2 + 2 / 2 for first in (-100.0, -2.0, -2.0)]
    assert delta.changes["by_task"].mean == pytest.approx(np.mean(expected))
    assert delta_notes({"hard": delta, "afa": delta}) == [
        "delta_m of hard, afa leaves out depth abs (single task has less than 0.0001 in seed 1), depth sq_rel (no "
        "value in seed 2)",
        "delta_m of hard, afa has no verdict, since changes beyond ±100 % count as ±100 %: depth rel (seed 0)",
    ]


def test_a_task_that_is_left_out_as_a_whole_leaves_no_verdict() -> None:
    theirs = np.full((2, len(METRICS)), 0.5)
    theirs[:, [name == "age" for name, _ in METRICS]] = 0
    delta = total_gain(pairs(theirs + 0.1, theirs), TASKS)
    assert not delta.whole
    assert list(delta.left_out) == [f"age {metric}" for metric in TASKS["age"].higher_is_better]
    assert delta.left_out["age accuracy"] == "single task has less than 0.0001 in seeds 0, 1"


def test_no_pair_has_no_delta_and_nothing_to_say() -> None:
    assert total_gain([], TASKS) == Delta({}, {}, {}, False)
    assert delta_notes({"single": Delta({}, {}, {}, False)}) == []


def test_gains_are_positive_for_the_better() -> None:
    assert relative_gain(1.1, 1.0, False) == pytest.approx(-10)
    assert relative_gain(-0.5, -1.0, True) == pytest.approx(50)
    assert math.isnan(relative_gain(1.0, 0.0, True))
    assert delta_m({"a": {"x": math.nan, "y": 4.0}, "b": {"z": -2.0}}) == {"by_task": 1.0, "by_metric": 1.0}
    assert delta_m({"a": {"x": 4900.0}, "b": {"z": -2.0}}) == {"by_task": 49.0, "by_metric": 49.0}


def test_delta_m_of_nothing_is_no_number() -> None:
    assert all(map(math.isnan, delta_m({"a": {"x": math.nan}}).values()))
