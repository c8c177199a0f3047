"""A budget is what all stages of a training were given."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from afanet.comparison.budget import Budget, budget_notes, budget_of, mean_budget
from afanet.comparison.compare import compare_runs
from afanet.comparison.groups import Group
from afanet.comparison.tables import as_json, lines
from afanet.recipe.load import dump_recipe
from afanet.runs.run import Run, load_run

from ..finished import Make

SCORES: dict[str, dict[str, Any]] = {"left": {"accuracy": 0.5}}


def trained(finished: Make, method: str, steps: int, flops: int, **keys: Any) -> Run:
    """A run of batches of 5, with everything that `keys` say of its recipe."""
    run = finished(method, 0, SCORES, keys={"batch_size": 5})
    changed = run.recipe.model_copy(update=keys)
    run.folder.recipe.write_text(dump_recipe(changed))
    run.folder.metrics.write_text(json.dumps(run.results | {"steps": steps, "flops": flops}))
    return load_run(run.path)


def test_a_run_counts_its_steps_and_three_passes_over_the_images_that_they_saw(finished: Make) -> None:
    run = trained(finished, "single", 10, 7)
    assert budget_of(run) == Budget(10, 10 * 5 * 3 * 7)
    optimizer = run.recipe.optimizer.model_copy(update={"accumulate": 4})
    assert budget_of(trained(finished, "single", 10, 7, optimizer=optimizer)) == Budget(10, 10 * 20 * 3 * 7)


def test_all_stages_count_however_they_came_to_be(finished: Make) -> None:
    alone = trained(finished, "single", 10, 7)
    whole = Budget(14, 10 * 5 * 3 * 7 + 4 * 5 * 3 * 9)
    warm = trained(finished, "afa", 4, 9, warm_start=(alone.path,))
    assert budget_of(warm) == whole
    both = trained(finished, "afa", 4, 9, two_stage=True)
    shutil.copytree(alone.path, both.folder.single)
    assert budget_of(both) == whole
    more = trained(finished, "single", 1, 1, start_from=str(alone.path))
    assert budget_of(trained(finished, "afa", 4, 9, warm_start=(more.path,))) == whole + Budget(1, 15)


def test_what_is_not_known_is_not_guessed(finished: Make) -> None:
    older = finished("single", 0, SCORES)
    assert budget_of(older) is None
    alone = trained(finished, "single", 10, 7)
    warm = trained(finished, "afa", 4, 9, warm_start=(alone.path, older.path))
    assert budget_of(warm) is None
    for gone in ({"warm_start": (alone.path / "gone",)}, {"two_stage": True}, {"start_from": "hub:ada/rooms"}):
        assert budget_of(trained(finished, "afa", 4, 9, **gone)) is None


@pytest.mark.parametrize("steps", [1, 2])
def test_runs_that_say_they_began_with_each_other_have_no_budget(finished: Make, steps: int) -> None:
    one = trained(finished, "single", steps, 1)
    other = trained(finished, "single", steps, 1, warm_start=(one.path,))
    one.folder.recipe.write_text(dump_recipe(one.recipe.model_copy(update={"warm_start": (other.path,)})))
    assert budget_of(load_run(one.path)) is None


def test_notes_say_who_had_how_much(finished: Make) -> None:
    def notes(**runs: Run) -> list[str]:
        groups = [Group(title, (run,)) for title, run in runs.items()]
        return budget_notes(groups, {group.title: mean_budget(group.runs) for group in groups})

    alone = trained(finished, "single", 10, 7)
    begun = {"warm_start": (alone.path,)}
    single, afa = (trained(finished, method, 4, 9, **begun) for method in ("single", "afa"))
    assert notes(single=single, afa=afa) == [
        "every method began with single-task networks that were trained before; single had the same total budget, 14 "
        "steps over both stages"
    ]
    assert notes(single=alone, afa=afa) == ["budgets differ, in steps over all stages: single 10, afa 14"]
    assert notes(single=alone, afa=trained(finished, "afa", 10, 9)) == []
    lost = trained(finished, "afa", 4, 9, warm_start=(alone.path / "gone",))
    assert notes(single=single, afa=lost)[1:] == [
        "budgets are unknown where a run, or one that it started from, is missing or from an older version: afa"
    ]
    assert notes(single=finished("single", 0, SCORES)) == []


def test_the_budget_of_a_method_is_the_mean_over_its_runs(finished: Make) -> None:
    runs = [trained(finished, "single", steps, 7) for steps in (10, 20)]
    assert mean_budget(runs) == Budget(15, 15 * 5 * 3 * 7)
    assert mean_budget([*runs, finished("single", 0, SCORES)]) is None


def test_a_table_has_the_budget_of_each_method_and_a_dash_where_it_is_not_known(finished: Make) -> None:
    runs = [trained(finished, "single", 1584, 10**9), finished("afa", 0, SCORES)]
    comparison = compare_runs(runs, runs[0].described)
    budgets = [(label, [score for score, *_ in cells]) for _, label, cells in lines(comparison)][-2:]
    assert budgets == [("budget, steps", ["1584", "-"]), ("budget, operations", ["23.76 T", "-"])]
    single, afa = json.loads(as_json(comparison))["rows"]
    assert (single["costs"]["steps"], single["costs"]["operations"]) == (1584, 1584 * 5 * 3 * 10**9)
    assert "steps" not in afa["costs"]
