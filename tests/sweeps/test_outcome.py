"""The importance of keys, and what is said of the best trial, from studies made by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna", reason="optuna is missing: pip install 'afanet[sweep]'")

import optuna
from optuna.distributions import FloatDistribution

from afanet.sweeps.outcome import Outcome, Repeats, Row, importance_of, rows_of
from afanet.sweeps.tables import cells, headings, ranked, rows_csv, sentences
from afanet.tasks import Depth

from .made import digits

SPACE = {"optimizer.lr": FloatDistribution(0, 1), "optimizer.weight_decay": FloatDistribution(0, 1)}
TASKS = {"depth": Depth()}


def study(*values: tuple[float, float, float]) -> optuna.Study:
    """Finished trials with these values of the two keys, and their scores."""
    made = optuna.create_study(direction="maximize")
    for first, second, score in values:
        params = dict(zip(SPACE, (first, second), strict=True))
        made.add_trial(optuna.trial.create_trial(params=params, distributions=SPACE, value=score))
    return made


def test_the_key_that_decides_the_score_is_the_important_one() -> None:
    draws = np.random.default_rng(0).uniform(size=(40, 2))
    importance = importance_of(study(*((a, b, (a - 0.3) ** 2 + 0.01 * b) for a, b in draws.tolist())), SPACE)
    assert list(importance) == list(SPACE)
    assert importance["optimizer.lr"] > 0.9
    assert sum(importance.values()) == pytest.approx(1)


def test_too_few_trials_or_equal_ones_have_no_importance() -> None:
    assert importance_of(study((0.1, 0.1, 1), (0.2, 0.1, 2), (0.3, 0.2, 3)), SPACE) == {}
    assert importance_of(study(*((n / 9, 0.1, 1.0) for n in range(6))), SPACE) == {}


def row(number: int, value: float, state: str = "finished") -> Row:
    return Row(number, state, dict.fromkeys(SPACE, 0.25), {"depth": -value}, value, state == "finished")


def outcome(*rows: Row, **given: Any) -> Outcome:
    return Outcome(digits(), TASKS, SPACE, rows, **given)


def test_the_best_is_the_first_of_equal_ones_and_no_unfinished_one() -> None:
    found = outcome(row(0, -0.6), row(1, -0.5), row(2, -0.5), row(3, -0.1, "pruned after 1"))
    assert found.best.number == 1
    assert [one.number for one in ranked(found)] == [1, 2, 0, 3]
    assert [cells(found, one)[-1] for one in found.rows] == ["0", "+0.1", "+0.1", "pruned after 1"]
    assert outcome(row(0, math.nan, "failed")).best is None


@pytest.mark.parametrize(
    ("best", "says"),
    [
        ([0.50, 0.51, 0.49], "trial 1 is better than the default with 3 seeds (+0.1 abs"),
        ([0.70, 0.71, 0.69], "trial 1 is worse than the default: its seed was lucky with 3 seeds (-0.1 abs"),
        ([0.50, 0.70, 0.60], "trial 1 cannot be told from the default with 3 seeds (0 abs"),
        ([0.50, 0.51, math.nan], "1 of 3 fresh seeds diverged"),
    ],
)
def test_the_verdict_is_that_of_fresh_seeds(best: list[float], says: str) -> None:
    scores = {
        "default": [{"depth": value} for value in (0.6, 0.61, 0.59)],
        "best": [{"depth": value} for value in best],
    }
    found = outcome(row(0, -0.6), row(1, -0.5), repeats=Repeats(1, (1, 2, 3), **scores))
    said = "\n".join(sentences(found))
    assert says in said
    assert "depth abs over 3 fresh seeds: default 0.6000 ± 0.0100, trial 1 " in said


def test_one_seed_has_no_verdict() -> None:
    repeats = Repeats(1, (1,), [{"depth": 0.6}], [{"depth": 0.5}])
    said = list(sentences(outcome(row(0, -0.6), row(1, -0.5), repeats=repeats)))
    assert (
        said[-1]
        == "whether it is better than the default cannot be said from so few seeds (+0.1 abs): give --repeat 3 or more"
    )


def test_what_is_not_finished_is_said() -> None:
    assert list(sentences(outcome(row(0, math.nan, "running"), row(1, math.nan, "waiting")))) == [
        "2 of 2 trials are not finished: 0, 1",
        "no trial has been trained to its end",
    ]
    assert "no trial was better" in list(sentences(outcome(row(0, -0.5), row(1, -0.6))))[-1]


def test_the_file_has_every_trial_with_all_digits() -> None:
    written = rows_csv(outcome(row(0, -0.123456789), row(1, math.nan, "failed"))).splitlines()
    assert written[0] == ",".join([*(f'"{h}"' if "," in h else h for h in headings(outcome(row(0, 0.0)))), "state"])
    assert written[1:] == ["0,0.25,0.25,0.123456789,0.0,finished", "1,0.25,0.25,,,failed"]


def test_rows_are_the_studys_own() -> None:
    [first] = rows_of(study((0.5, 0.75, -0.25)), 1, digits(), SPACE)
    assert (first.values, first.value, first.state) == (dict(zip(SPACE, (0.5, 0.75), strict=True)), -0.25, "finished")
