"""Runs that differ in their seed alone, from the folders beside a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from afanet.runs.run import Run
from afanet.runs.siblings import siblings


def test_only_seeds_of_the_same_recipe_and_data_count(finished: Callable[..., Run], tmp_path: Path) -> None:
    runs = [finished("afa", seed, {}) for seed in (2, 0)]
    finished("hard", 1, {})
    finished("afa", 3, {}, content="other")
    finished("afa", 4, {}, keys={"optimizer.lr": 0.5})
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    assert [run.recipe.seed for run in siblings(runs[0])] == [0, 2]
    assert siblings(runs[0])[1].folder.path == runs[0].folder.path


def test_runs_that_begin_with_the_first_stage_of_their_own_seed_are_siblings(finished: Callable[..., Run]) -> None:
    def begun(seed: int, of: int) -> Run:
        return finished("afa", seed, {}, keys={"warm_start": [f"/runs/first-stage-seed{of}"]})

    runs = [begun(0, of=0), begun(1, of=1), begun(2, of=0), finished("afa", 3, {})]
    assert [run.recipe.seed for run in siblings(runs[0])] == [0, 1]


@pytest.mark.parametrize("folder", ["/runs/single-seed0", "/runs/my-first-stage-seed0"])
def test_runs_that_all_begin_with_one_run_are_siblings_whatever_its_name(
    folder: str, finished: Callable[..., Run]
) -> None:
    runs = [finished("afa", seed, {}, keys={"warm_start": [folder]}) for seed in range(3)]
    assert [run.recipe.seed for run in siblings(runs[0])] == [0, 1, 2]
