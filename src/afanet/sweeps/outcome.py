"""What a sweep has found so far: its trials, the importance of each key, and whether the best beats the default."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from afanet.comparison.statistics import Change, paired_change
from afanet.recipe.schema import Recipe
from afanet.runs.folder import leaves
from afanet.sweeps.score import gain, value_of
from afanet.sweeps.space import Space
from afanet.sweeps.trial import FAULT, SCORES
from afanet.tasks import Described

FEWEST = 4  # the fewest finished trials from which importances are computed
WORDS = {
    TrialState.COMPLETE: "finished",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
    TrialState.FAIL: "given up",
}


@dataclass(frozen=True)
class Row:
    """One trial: its number, how it ended, its values by key, the main metric of each task, and its score.

    For a pruned trial, metrics and score are those of its last epoch; a missing score is NaN.
    """

    number: int
    state: str
    values: Mapping[str, Any]
    scores: Mapping[str, float]
    value: float
    finished: bool


@dataclass(frozen=True)
class Repeats:
    """The main metrics by task of the default setting and of the best trial, with the same seeds."""

    trial: int
    seeds: Sequence[int]
    default: Sequence[Mapping[str, float]]
    best: Sequence[Mapping[str, float]]

    def change(self, tasks: Mapping[str, Described]) -> Change:
        """How much better the best trial is than the default, with a 95 % interval over the seeds."""
        pairs = zip(self.best, self.default, strict=True)
        return paired_change([gain(value_of(best, tasks), value_of(default, tasks), tasks) for best, default in pairs])


@dataclass(frozen=True)
class Outcome:
    """A sweep: the default setting, the space, the rows by number, importances that add up to 1, and repeats."""

    recipe: Recipe
    tasks: Mapping[str, Described]
    space: Space
    rows: Sequence[Row]
    importance: Mapping[str, float] = field(default_factory=dict)
    repeats: Repeats | None = None

    @cached_property
    def best(self) -> Row | None:
        """The finished trial with the highest score; of equal ones, the first."""
        finished = [row for row in self.rows if row.finished]
        return max(finished, key=lambda row: (row.value, -row.number), default=None)

    def gain(self, row: Row) -> float:
        """How much better a trial is than trial 0, the default; NaN if one of them has no final score."""
        first = self.rows[0]
        return gain(row.value, first.value, self.tasks) if row.finished and first.finished else math.nan


def rows_of(study: Study, count: int, recipe: Recipe, space: Space) -> list[Row]:
    """The first `count` trials of a study."""
    return [_row(trial, recipe, space) for trial in study.get_trials(deepcopy=False)[:count]]


def _row(trial: FrozenTrial, recipe: Recipe, space: Space) -> Row:
    values = dict(trial.params)
    if trial.number == 0 and not values:
        own = leaves(recipe.model_dump(mode="json"))
        values = {key: own.get(key) for key in space}
    state = WORDS.get(trial.state) or ("failed" if FAULT in trial.user_attrs else f"pruned after {trial.last_step}")
    finished = trial.state == TrialState.COMPLETE
    value = trial.value if trial.state.is_finished() and trial.value is not None else math.nan
    return Row(trial.number, state, values, trial.user_attrs.get(SCORES, {}), value, finished)


def importance_of(study: Study, space: Space) -> dict[str, float]:
    """The share of the scores' variance that each key explains, alone and with others, by fANOVA (Hutter et al., 2014).

    The shares add up to 1, the largest first. Only finished trials count; for fewer than four the result is empty.
    """
    finished = [
        t for t in study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE and set(space) <= set(t.params)
    ]
    if len(finished) < FEWEST or len({trial.value for trial in finished}) == 1:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0), params=list(space))
