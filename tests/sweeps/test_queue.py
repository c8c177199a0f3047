"""Trials are shared: each is taken once, and again where a process has died."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="optuna is missing: pip install 'afanet[sweep]'")

import optuna

from afanet.sweeps.database import database, default_storage
from afanet.sweeps.queue import Queue


def queue(storage: object, out: Path, count: int = 3) -> Queue:
    out.mkdir(exist_ok=True)
    study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
    made = Queue(storage, study, out, count, lambda number: f"trial-{number}")
    made.fill()
    return made


def test_each_trial_is_taken_once_by_processes_that_share_a_folder_or_do_not(tmp_path: Path) -> None:
    taken: list[int] = []
    with database(default_storage(tmp_path)) as one, database(default_storage(tmp_path)) as other:
        queues = [queue(one, tmp_path / "a", 5), queue(other, tmp_path / "a", 5), queue(one, tmp_path / "b", 5)]
        runners = [made.taken() for made in queues]
        while runners:
            for made, runner in zip(queues, list(runners), strict=False):
                trial = next(runner, None)
                if trial is None:
                    runners.remove(runner)
                    continue
                taken.append(trial.number)
                made.study.tell(trial, 0.0)
        assert sorted(taken) == [0, 1, 2, 3, 4]
        assert not queues[0].open_trials()
    assert not list(tmp_path.rglob("*.lock"))


def test_two_at_once_work_on_different_trials(tmp_path: Path) -> None:
    with database(default_storage(tmp_path)) as storage:
        first, second = queue(storage, tmp_path / "a").taken(), queue(storage, tmp_path / "a").taken()
        assert [next(first).number, next(second).number] == [0, 1]


def test_a_trial_that_was_interrupted_is_the_next_where_its_folder_is(tmp_path: Path) -> None:
    with database(default_storage(tmp_path)) as storage:
        killed = queue(storage, tmp_path / "a").taken()
        assert next(killed).number == 0
        elsewhere = queue(storage, tmp_path / "b").taken()
        assert next(elsewhere).number == 1
        killed.close()
        again, there = queue(storage, tmp_path / "a").taken(), queue(storage, tmp_path / "c").taken()
        assert next(there).number == 2  # neither 0 nor 1 is its own
        assert next(again).number == 0
        assert next(queue(storage, tmp_path / "a").taken(), None) is None


def test_a_study_grows_and_never_shrinks(tmp_path: Path) -> None:
    with database(default_storage(tmp_path)) as storage:
        assert len(queue(storage, tmp_path / "a", 2).open_trials()) == 2
        assert len(queue(storage, tmp_path / "a", 4).open_trials()) == 4
        made = queue(storage, tmp_path / "a", 3)  # what two processes added at once is left alone
        assert [trial.number for trial in made.open_trials()] == [0, 1, 2]
