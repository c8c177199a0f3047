"""The epoch that the validation split chooses."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from afanet.data import Data, open_data
from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.checkpoint import read_checkpoint
from afanet.tasks import Classification, Depth
from afanet.training.learner import Learner
from afanet.training.loop import Loop
from afanet.training.run import evaluate, train
from afanet.training.scoring import Scored
from afanet.training.selection import Selection

TASKS = {"depth": Depth(), "age": Classification("age", ["young", "old"])}


def selection_by(**keys: object) -> Selection:
    """A selection by these keys of a recipe."""
    return Selection(TASKS, load_recipe("rooms", {"select": "validation", **keys}))


def test_one_epoch_for_all_tasks_by_the_mean_of_their_changes() -> None:
    selection = selection_by()
    epochs = [(1.0, 0.5), (0.9, 0.4), (0.8, 0.45), (0.5, 0.1), (0.79, 0.46)]
    chosen = [
        selection.add({"depth": {"abs": error}, "age": {"accuracy": accuracy}}, epoch)
        for epoch, (error, accuracy) in enumerate(epochs, start=1)
    ]
    # changes of the mean: 0, -0.05, 0.05, -0.15, 0.065
    assert chosen == [True, False, True, False, True]
    assert selection.epoch == 5


def test_what_it_remembers_can_be_loaded() -> None:
    one, other = selection_by(), selection_by()
    one.add({"depth": {"abs": 1.0}, "age": {"accuracy": 0.5}}, 1)
    other.load_state(one.state())
    for selection in (one, other):
        assert not selection.add({"depth": {"abs": 1.1}, "age": {"accuracy": 0.5}}, 2)
        assert selection.add({"depth": {"abs": 0.9}, "age": {"accuracy": 0.5}}, 3)


def test_a_task_without_labels_has_no_part() -> None:
    selection = selection_by()
    assert selection.add({"depth": {"abs": math.nan}, "age": {"accuracy": 0.5}}, 1)
    assert selection.add({"depth": {"abs": math.nan}, "age": {"accuracy": 0.6}}, 2)


def test_an_epoch_in_which_a_task_lost_its_score_is_never_selected() -> None:
    selection = selection_by()
    assert selection.add({"depth": {"abs": 1.0}, "age": {"accuracy": 0.5}}, 1)
    for gone in (math.nan, math.inf):
        assert not selection.add({"depth": {"abs": gone}, "age": {"accuracy": 0.9}}, 2)
    assert selection.add({"depth": {"abs": 0.9}, "age": {"accuracy": 0.5}}, 3)


def test_a_task_counts_from_its_first_score_on() -> None:
    selection = selection_by()
    assert selection.add({"depth": {"abs": math.nan}, "age": {"accuracy": 0.5}}, 1)
    assert not selection.add({"depth": {"abs": 1.0}, "age": {"accuracy": 0.5}}, 2)
    assert selection.add({"depth": {"abs": 0.5}, "age": {"accuracy": 0.5}}, 3)


def test_where_no_task_has_a_label_nothing_is_selected() -> None:
    with pytest.raises(InputError, match="the validation split has no label of any task"):
        selection_by().add({"depth": {"abs": math.nan}, "age": {"accuracy": math.nan}}, 1)


@pytest.mark.parametrize(("by", "best"), [("depth", 3), ("depth.abs", 3), ("depth.delta1", 2), ("age", 1)])
def test_one_score_alone_selects_in_its_own_direction(by: str, best: int) -> None:
    epochs = [(1.0, 0.6, 0.9), (0.9, 0.7, 0.1), (0.8, 0.5, 0.2), (0.85, 0.65, 0.3)]
    selection = selection_by(**{"select.by": by})
    for epoch, (error, within, accuracy) in enumerate(epochs, start=1):
        selection.add({"depth": {"abs": error, "delta1": within}, "age": {"accuracy": accuracy}}, epoch)
    assert selection.epoch == best


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("dept", "unknown task of select.by 'dept', did you mean 'depth'"),
        ("depth.rsme", "unknown metric of task 'depth' in select.by 'rsme', did you mean 'rmse'"),
        ("depth.", "unknown metric of task 'depth' in select.by ''"),
        ("", "unknown task of select.by ''"),
    ],
)
def test_a_score_that_does_not_exist_is_refused(by: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        selection_by(**{"select.by": by})
    assert message in str(caught.value)


def test_a_score_without_a_value_is_refused_at_first_and_never_best_later() -> None:
    selection = selection_by(**{"select.by": "depth"})
    bare = {"depth": {"abs": math.nan}, "age": {"accuracy": 0.5}}
    with pytest.raises(InputError, match=r"select\.by is 'depth', but the validation split gives abs of task 'depth'"):
        selection.add(bare, 1)
    assert selection.add({"depth": {"abs": 1.0}, "age": {"accuracy": 0.5}}, 1)
    assert not selection.add(bare, 2)
    assert selection.epoch == 1


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
@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("select", "validation", "or select 'last'"),
        ("select.by", "depth", "or select 'last'"),
        ("stop.patience", 3, "or leave stop.patience out"),
    ],
)
def test_without_a_validation_split_it_is_refused(
    key: str, value: object, what: str, small: Callable[..., Recipe], tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        train(small(**{key: value}), tmp_path / "run")
    assert f"{key} is {value!r}, but data set 'rooms' has no validation split here: it has no option for one" in str(
        caught.value
    )
    assert str(caught.value).endswith(what)
    assert not (tmp_path / "run").exists()


def scripted(monkeypatch: pytest.MonkeyPatch, errors: Sequence[float]) -> None:
    """The scores on the validation split are these depth errors, epoch by epoch; those on the test split are real."""

    def validate(loop: Loop) -> Scored:
        error = errors[-(-loop.learner.step // loop.per_epoch) - 1]
        scores = {name: dict.fromkeys(task.higher_is_better, 0.5) for name, task in loop.learner.tasks.items()}
        scores["depth"] |= {"abs": error, "rmse": -error}
        return Scored(scores, None, {})

    monkeypatch.setattr(Loop, "_validate", validate)


ERRORS = (1.0, 0.7, 0.8, 0.6, 0.9, 0.6, 0.65, 0.1)  # the best but the last is of epoch 4, and epoch 6 only as good


@pytest.mark.usefixtures("tiny", "with_validation")
@pytest.mark.parametrize(
    ("keys", "ended", "selected"),
    [
        ({"stop.patience": 2}, 6, None),
        ({"stop.patience": 2, "select": "validation"}, 6, 4),
        ({"stop.patience": 1, "select.by": "depth"}, 3, 2),
        ({"stop.patience": 3, "select.by": "depth.rmse"}, 4, 1),  # lower is better, and it is the error negated
        ({"stop.patience": 4, "select.by": "depth"}, None, 8),
        ({"select.by": "depth"}, None, 8),
        ({"stop.patience": 2, "epochs": 6, "select": "validation"}, None, 4),  # which it would reach with the last
    ],
)
def test_training_stops_after_so_many_epochs_without_better_scores(
    keys: dict[str, object],
    ended: int | None,
    selected: int | None,
    small: Callable[..., Recipe],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scripted(monkeypatch, ERRORS)
    run = train(small(**{"epochs": 8} | keys), tmp_path / "run")
    assert run.results["stopped_epoch"] == ended
    assert run.results["selected_epoch"] == selected
    epochs = ended or run.recipe.epochs
    assert run.results["epochs"] == epochs
    assert run.results["steps"] == 2 * epochs
    assert len(run.folder.log.read_text().splitlines()) == 1 + epochs
    message = capsys.readouterr().err
    assert (f"stopped after epoch {ended} of 8" in message) == (ended is not None)
    assert ("is kept, since select is 'last'" in message) == (ended is not None and selected is None)


@pytest.mark.usefixtures("tiny", "with_validation")
@pytest.mark.parametrize("select", ["last", "validation"])
def test_a_run_with_patience_that_was_killed_ends_as_if_it_had_not_been(
    select: str, small: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripted(monkeypatch, ERRORS)
    recipe = small(epochs=8, checkpoint_every=1, select=select, **{"stop.patience": 2})
    whole = train(recipe, tmp_path / "whole")
    assert whole.results["steps"] == 12
    learn = Learner.learn
    for step in (8, 11):
        folder = tmp_path / f"killed before step {step}"
        with monkeypatch.context() as patch:

            def until(self: Learner, *arguments: Any, last: int = step) -> Any:
                if self.step == last:
                    raise KeyboardInterrupt
                return learn(self, *arguments)

            patch.setattr(Learner, "learn", until)
            with pytest.raises(KeyboardInterrupt):
                train(recipe, folder)
        resumed = train(recipe, folder, resume=True)
        for key in ("tasks", "validation", "steps", "epochs", "stopped_epoch", "selected_epoch"):
            assert resumed.results[key] == whole.results[key]
        one, other = (read_checkpoint(run.folder.checkpoint)["state_dict"] for run in (whole, resumed))
        assert all(torch.equal(one[name], other[name]) for name in one | other)


@pytest.mark.usefixtures("tiny", "with_validation")
def test_a_run_that_stopped_stays_stopped_where_it_was_killed_before_its_scores(
    small: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripted(monkeypatch, ERRORS)
    recipe = small(epochs=8, keep_optimizer=True, **{"stop.patience": 2})
    whole = train(recipe, tmp_path / "run")
    whole.folder.metrics.unlink()
    monkeypatch.setattr(Learner, "learn", None)  # there is nothing left to learn
    assert train(recipe, tmp_path / "run", resume=True).results["tasks"] == whole.results["tasks"]


@pytest.mark.usefixtures("tiny", "with_validation")
def test_patience_without_a_score_on_the_validation_split_is_refused(
    small: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripted(monkeypatch, [math.nan])
    with pytest.raises(InputError, match=r"select\.by is 'depth', but the validation split gives abs of task 'depth'"):
        train(small(**{"stop.patience": 1, "select.by": "depth"}), tmp_path / "by")
    monkeypatch.setattr(Loop, "_validate", lambda loop: Scored(bare(loop), None, {}))
    with pytest.raises(InputError, match=r"stop\.patience is 1, but the validation split has no label .* leave stop"):
        train(small(**{"stop.patience": 1}), tmp_path / "mean")


def bare(loop: Loop) -> dict[str, dict[str, float]]:
    return {name: dict.fromkeys(task.higher_is_better, math.nan) for name, task in loop.learner.tasks.items()}
