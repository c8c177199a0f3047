"""What a trial is to try."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="optuna is missing: pip install 'afanet[sweep]'")

import optuna

from afanet.sweeps.database import database, default_storage
from afanet.sweeps.queue import Queue
from afanet.sweeps.space import read_space
from afanet.sweeps.trial import propose

from .made import digits

RECIPE = digits()
SPACE = read_space(RECIPE, ["optimizer.lr=log:1e-5:1", "optimizer.weight_decay=0:0.1", "batch_size=2:64"])


def test_a_kill_between_two_values_changes_neither(tmp_path: Path) -> None:
    with database(default_storage(tmp_path)) as storage:
        queues = [Queue(storage, optuna.create_study(storage=storage, study_name=n), tmp_path, 2, str) for n in "ab"]
        for queue in queues:
            queue.fill()
        whole = propose(queues[0], 1, RECIPE, SPACE)
        first = dict(list(SPACE.items())[:1])
        assert propose(queues[1], 1, RECIPE, first) == {"optimizer.lr": whole["optimizer.lr"]}
        assert propose(queues[1], 1, RECIPE, SPACE) == whole
        assert propose(queues[0], 1, RECIPE, SPACE) == whole
        assert storage.get_trial(queues[0].id_of(1)).params == whole


def test_the_first_trial_is_the_recipe_and_others_depend_on_its_seed(tmp_path: Path) -> None:
    with database(default_storage(tmp_path)) as storage:
        queues = [Queue(storage, optuna.create_study(storage=storage, study_name=n), tmp_path, 3, str) for n in "ab"]
        for queue in queues:
            queue.fill()
        own = {"optimizer.lr": 0.001, "optimizer.weight_decay": 0.01, "batch_size": 4}
        assert propose(queues[0], 0, RECIPE, SPACE) == own
        assert propose(queues[1], 0, digits(**{"optimizer.lr": 5.0}), SPACE) == {}
        drawn = [propose(queues[0], 1, RECIPE, SPACE), propose(queues[0], 2, RECIPE, SPACE)]
        drawn.append(propose(queues[1], 1, digits(seed=1), SPACE))
        assert len({values["optimizer.lr"] for values in drawn}) == 3
