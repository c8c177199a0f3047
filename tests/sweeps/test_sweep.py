"""A sweep: shared, resumed exactly, pruned, and repeated before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="optuna is missing: pip install 'afanet[sweep]'")

from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.sweeps.database import default_storage
from afanet.sweeps.outcome import Outcome
from afanet.sweeps.score import Scores, main_scores
from afanet.sweeps.space import read_space
from afanet.sweeps.sweep import Plan, best_recipe, run_sweep
from afanet.sweeps.tables import sentences
from afanet.tasks import Task

from .made import PEAK, Trainer, digits

Whole = tuple[Outcome, Trainer, dict[str, int]]
OVER = ("optimizer.lr=log:1e-5:1", "optimizer.weight_decay=0:0.1")


def planned(out: Path, recipe: Recipe | None = None, over: tuple[str, ...] = OVER, **given: Any) -> Plan:
    recipe = recipe or digits()
    return Plan(
        recipe, read_space(recipe, over), out, **{"storage": default_storage(out), "trials": 12, "repeat": 2} | given
    )


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trainer]:
    """Puts a trainer in the place of training, and returns it."""

    def put(*arguments: Any) -> Trainer:
        trainer = Trainer(*arguments)
        monkeypatch.setattr("afanet.sweeps.trial.train", trainer)
        return trainer

    return put


def told(outcome: Outcome) -> list[tuple[Any, ...]]:
    return [(row.number, row.state, dict(row.values), dict(row.scores), repr(row.value)) for row in outcome.rows]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Trainer, dict[str, int]]:
    """A sweep that nothing interrupted, what it trained, and for how many epochs."""
    epochs: dict[str, int] = {}
    trainer = Trainer(lambda folder, epoch: epochs.update({folder: epoch}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("afanet.sweeps.trial.train", trainer)
        return run_sweep(planned(tmp_path_factory.mktemp("whole") / "s")), trainer, epochs


def test_it_finds_what_is_better_in_as_many_trials_as_were_asked_for(whole: Whole) -> None:
    outcome, trainer, _ = whole
    names = [name for name, _ in trainer.trained]
    assert names[:12] == [f"trial-{number:03d}" for number in range(12)]
    assert trainer.trained[0][1] == digits()  # first the recipe as it is
    best = best_recipe(outcome)
    assert best is not None
    assert 0.3 < best.optimizer.lr / PEAK < 3
    assert outcome.gain(outcome.rows[0]) == 0 < outcome.gain(outcome.best)
    assert set(outcome.importance) == {"optimizer.lr", "optimizer.weight_decay"}


def test_bad_trials_are_pruned_and_those_that_diverge_are_kept_as_failed(whole: Whole) -> None:
    outcome, _, epochs = whole
    assert {"finished", "failed"} < {row.state for row in outcome.rows}
    pruned = [row for row in outcome.rows if row.state.startswith("pruned")]
    assert pruned
    assert all(row.state == f"pruned after {epochs[f'trial-{row.number:03d}']}" for row in pruned)
    assert all(row.value < outcome.best.value and row.number >= 5 for row in pruned)
    assert not any(row.finished for row in pruned)


def test_where_the_number_of_epochs_is_searched_nothing_is_pruned(
    tmp_path: Path, trained: Callable[..., Trainer]
) -> None:
    trained()
    outcome = run_sweep(planned(tmp_path / "s", over=("epochs=2:8", "optimizer.lr=log:1e-5:0.1"), trials=9, repeat=1))
    assert {row.state for row in outcome.rows} == {"finished"}


@pytest.mark.parametrize("where", [("trial-003", 1), ("default-seed2", 2)])
def test_after_a_kill_it_ends_as_if_there_had_been_none(
    where: tuple[str, int], whole: Whole, tmp_path: Path, trained: Callable[..., Trainer]
) -> None:
    def kill(folder: str, epoch: int) -> None:
        if (folder, epoch) == where:
            raise KeyboardInterrupt

    trained(kill)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(planned(tmp_path / "s"))
    trainer = trained()
    resumed = run_sweep(planned(tmp_path / "s"))
    assert trainer.trained[0][0] == where[0]  # what was finished is not trained again
    assert told(resumed) == told(whole[0])
    assert resumed.repeats == whole[0].repeats


@pytest.mark.usefixtures("tiny")
def test_an_interrupted_training_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def kill(scores: Scores, tasks: Mapping[str, Task]) -> dict[str, float]:
        watched.append(scores)
        if len(watched) == 2:
            raise KeyboardInterrupt
        return main_scores(scores, tasks)

    watched: list[Scores] = []
    recipe = digits(epochs=3)
    whole = run_sweep(planned(tmp_path / "whole" / "s", recipe, trials=1))
    with monkeypatch.context() as patch:
        patch.setattr("afanet.sweeps.trial.main_scores", kill)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(planned(tmp_path / "s", recipe, trials=1))
    capsys.readouterr()
    resumed = run_sweep(planned(tmp_path / "s", recipe, trials=1))
    assert "resuming after step 2 of 6" in capsys.readouterr().err
    assert told(resumed) == told(whole)


def test_a_larger_number_goes_on_where_the_smaller_one_ended(
    whole: Whole, tmp_path: Path, trained: Callable[..., Trainer]
) -> None:
    trained()
    run_sweep(planned(tmp_path / "s", trials=10))
    trainer = trained()
    assert told(run_sweep(planned(tmp_path / "s"))) == told(whole[0])
    assert trainer.trained[0][0] == "trial-010"


def test_the_best_and_the_default_are_repeated_with_seeds_that_chose_nothing(
    tmp_path: Path, trained: Callable[..., Trainer]
) -> None:
    trainer = trained()
    outcome = run_sweep(planned(tmp_path / "s", repeat=3))
    again = [(name, recipe) for name, recipe in trainer.trained if "seed" in name]
    title = f"trial-{outcome.best.number:03d}"
    assert [name for name, _ in again] == [f"{who}-seed{seed}" for seed in (1, 2, 3) for who in ("default", title)]
    assert [recipe.seed for _, recipe in again] == [1, 1, 2, 2, 3, 3]
    assert [recipe.optimizer.lr for _, recipe in again[:2]] == [0.001, outcome.best.values["optimizer.lr"]]
    said = f"trial {outcome.best.number} is better than the default with 3 seeds"
    assert said in " ".join(sentences(outcome))


def test_luck_of_one_seed_is_not_called_better(tmp_path: Path, trained: Callable[..., Trainer]) -> None:
    draws = iter([0.5, 0.8, 0.7, 0.6, 0.61, 0.66, 0.62, 0.57, 0.6, 0.62])
    drawn: dict[tuple[float, int], float] = {}

    def by_chance(recipe: Recipe, epoch: int) -> dict[str, dict[str, float]]:
        key = recipe.optimizer.lr, recipe.seed
        drawn[key] = drawn.get(key) or next(draws)
        return {side: {"accuracy": drawn[key]} for side in ("left", "right")}

    trained(lambda folder, epoch: None, by_chance)
    outcome = run_sweep(planned(tmp_path / "s", digits(epochs=1), ("optimizer.lr=log:1e-5:1e-2",), trials=4, repeat=3))
    assert outcome.best.number == 1
    assert "trial 1 cannot be told from the default with 3 seeds" in " ".join(sentences(outcome))


def test_processes_share_the_trials_and_the_last_one_tells_the_outcome(
    tmp_path: Path, trained: Callable[..., Trainer]
) -> None:
    storage = default_storage(tmp_path)
    tmp_path.joinpath("here").mkdir()
    outcomes: list[Outcome] = []

    def meanwhile(folder: str, epoch: int) -> None:
        if not outcomes and folder == "trial-002":  # another machine does all the rest
            outcomes.append(run_sweep(planned(tmp_path / "there" / "s", storage=storage, trials=6)))

    trainer = trained(meanwhile)
    outcome = run_sweep(planned(tmp_path / "here" / "s", storage=storage, trials=6))
    assert [row.state for row in outcomes[0].rows].count("running") == 1
    assert outcomes[0].repeats is None
    assert "1 of 6 trials are not finished: 2" in " ".join(sentences(outcomes[0]))
    assert outcome.repeats is not None
    assert sorted(name for name, _ in trainer.trained if "seed" not in name) == [f"trial-{n:03d}" for n in range(6)]


def test_a_default_outside_the_ranges_is_trained_all_the_same(tmp_path: Path, trained: Callable[..., Trainer]) -> None:
    trainer = trained()
    outcome = run_sweep(planned(tmp_path / "s", over=("optimizer.lr=log:0.005:0.02",), trials=6))
    assert trainer.trained[0][1] == digits()
    assert (outcome.rows[0].values, outcome.rows[0].finished) == ({"optimizer.lr": 0.001}, True)
    assert outcome.importance == {"optimizer.lr": 1.0}


@pytest.mark.parametrize(
    ("recipe", "over", "says"),
    [
        (digits(**{"optimizer.momentum": 0.5}), OVER, r"has optimizer\.momentum 0\.9, but now it is 0\.5"),
        (
            digits(),
            ("optimizer.lr=log:1e-4:1", OVER[1]),
            r"has --over optimizer\.lr log:1e-05:1\.0, but now it is log:0\.0001",
        ),
        (digits(), OVER[:1], r"has --over optimizer\.weight_decay 0\.0:0\.1, but now it is not given"),
    ],
)
def test_a_study_of_another_recipe_or_other_ranges_is_refused(
    recipe: Recipe, over: tuple[str, ...], says: str, tmp_path: Path, trained: Callable[..., Trainer]
) -> None:
    trainer = trained()
    run_sweep(planned(tmp_path / "s", trials=1))
    with pytest.raises(InputError, match=f"study 's' in the storage {says}"):
        run_sweep(planned(tmp_path / "s", recipe, over))
    assert len(trainer.trained) == 1
    run_sweep(planned(tmp_path / "s", digits(workers=1), trials=2))  # machines may differ in that


def test_what_cannot_be_swept_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    out = tmp_path / "s"
    for recipe, given, says in (
        (
            digits(**{"data.options.validation_pairs": 0}),
            {},
            r"data set 'digits' has none here: ask for one by data\.options\.validation_pairs; a sweep never",
        ),
        (digits(devices=2), {}, "leave --devices out"),
        (digits(), {"trials": 0}, "--trials is 0, expected 1"),
        (digits(), {"repeat": 0}, "--repeat is 0, expected 1"),
    ):
        with pytest.raises(InputError, match=says):
            run_sweep(planned(out, recipe, **given))
    assert not out.exists()


def test_a_trial_without_a_score_says_which_task_has_none(tmp_path: Path, trained: Callable[..., Trainer]) -> None:
    unlabelled = {"left": {"accuracy": None}, "right": {"accuracy": 0.5}}
    trained(lambda folder, epoch: None, lambda recipe, epoch: unlabelled)
    with pytest.raises(InputError, match="by the accuracy of task 'left' on the validation split, which has no value"):
        run_sweep(planned(tmp_path / "s"))
