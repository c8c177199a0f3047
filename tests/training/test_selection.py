"""The epoch that the validation split chooses."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from afanet.data import Data, open_data
from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.tasks import Classification, Depth
from afanet.training.run import evaluate, train
from afanet.training.selection import Selection

TASKS = {"depth": Depth(), "age": Classification("age", ["young", "old"])}


def test_one_epoch_for_all_tasks_by_the_mean_of_their_changes() -> None:
    selection = Selection(TASKS)
    epochs = [(1.0, 0.5), (0.9, 0.4), (0.8, 0.45), (0.5, 0.1), (0.79, 0.46)]
    chosen = [
        selection.add({"depth": {"abs": error}, "age": {"accuracy": accuracy}}, epoch)
        for epoch, (error, accuracy) in enumerate(epochs, start=1)
    ]
    # changes of the mean: 0, -0.05, 0.05, -0.15, 0.065
    assert chosen == [True, False, True, False, True]
    assert selection.epoch == 5


def test_what_it_remembers_can_be_loaded() -> None:
    one, other = Selection(TASKS), Selection(TASKS)
    one.add({"depth": {"abs": 1.0}, "age": {"accuracy": 0.5}}, 1)
    other.load_state(one.state())
    for selection in (one, other):
        assert not selection.add({"depth": {"abs": 1.1}, "age": {"accuracy": 0.5}}, 2)
        assert selection.add({"depth": {"abs": 0.9}, "age": {"accuracy": 0.5}}, 3)


def test_a_task_without_labels_has_no_part() -> None:
    selection = Selection(TASKS)
    assert selection.add({"depth": {"abs": math.nan}, "age": {"accuracy": 0.5}}, 1)
    assert selection.add({"depth": {"abs": math.nan}, "age": {"accuracy": 0.6}}, 2)


def test_an_epoch_in_which_a_task_lost_its_score_is_never_selected() -> None:
    selection = Selection(TASKS)
    assert selection.add({"depth": {"abs": 1.0}, "age": {"accuracy": 0.5}}, 1)
    for gone in (math.nan, math.inf):
        assert not selection.add({"depth": {"abs": gone}, "age": {"accuracy": 0.9}}, 2)
    assert selection.add({"depth": {"abs": 0.9}, "age": {"accuracy": 0.5}}, 3)


def test_a_task_counts_from_its_first_score_on() -> None:
    selection = Selection(TASKS)
    assert selection.add({"depth": {"abs": math.nan}, "age": {"accuracy": 0.5}}, 1)
    assert not selection.add({"depth": {"abs": 1.0}, "age": {"accuracy": 0.5}}, 2)
    assert selection.add({"depth": {"abs": 0.5}, "age": {"accuracy": 0.5}}, 3)


def test_where_no_task_has_a_label_nothing_is_selected() -> None:
    with pytest.raises(InputError, match="the validation split has no label of any task"):
        Selection(TASKS).add({"depth": {"abs": math.nan}, "age": {"accuracy": math.nan}}, 1)


@pytest.fixture
def with_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test scenes stand in as a validation split."""

    def opened(*arguments: object, **options: object) -> Data:
        data = open_data(*arguments, **options)  # type: ignore[arg-type]
        return Data(**vars(data) | {"validation": data.test})

    monkeypatch.setattr("afanet.runs.setup.open_data", opened)
    monkeypatch.setattr("afanet.runs.setup.leaks", lambda data: [])


@pytest.mark.usefixtures("tiny", "with_validation")
def test_the_chosen_epoch_is_kept_scored_and_named(small: Callable[..., Recipe], tmp_path: Path) -> None:
    run = train(small(select="validation", epochs=6, **{"optimizer.lr": 0.2}), tmp_path / "run")
    epoch = run.results["selected_epoch"]
    assert 1 <= epoch <= 6
    assert run.results["validation"] == run.results["tasks"]  # of the same scenes
    with run.folder.log.open() as stream:
        rows = list(csv.DictReader(stream))
    figures = [float(row["validation/depth/abs"]) for row in rows]
    assert run.results["validation"]["depth"]["abs"] == pytest.approx(figures[epoch - 1], rel=1e-12)
    assert len(set(figures)) == 6
    assert evaluate(tmp_path / "run").results["tasks"] == run.results["tasks"]


@pytest.mark.usefixtures("tiny")
def test_without_a_validation_split_it_is_refused(small: Callable[..., Recipe], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="select is 'validation', and data set 'rooms' has no validation split"):
        train(small(select="validation"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
