"""A run with fewer tasks, or with tasks under other names, answers as before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.starting.test_starting import OLD, recipe_for

from afanet.cli import main
from afanet.errors import InputError
from afanet.recipe.load import dump_recipe
from afanet.recipe.schema import SamplerRecipe
from afanet.recipe.stopping import SelectRecipe
from afanet.runs.run import Run, load_run
from afanet.training.run import train
from afanet.training.starting.retask import retask
from afanet.training.starting.source import taken_over


def outputs(run: Run) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        logits: dict[str, torch.Tensor] = run.network()(
            torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))
        )
    return logits


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Runs by method, the last with a task that joined the others."""
    folder = tmp_path_factory.mktemp("runs")
    by_method = {method: train(recipe_for(method, OLD), folder / method) for method in ("hard", "mtan", "afa")}
    keys: dict[str, Any] = {"network.freeze": "old", "start_from": str(by_method["afa"].path)}
    by_method["joined"] = train(recipe_for("afa", [*OLD, "normals"], **keys), folder / "joined")
    return by_method


@pytest.mark.parametrize(
    ("method", "drop", "rename"),
    [
        ("hard", ["segmentation"], {}),  # whose branch has the trunk
        ("hard", ["depth"], {"segmentation": "rooms"}),
        ("mtan", ["segmentation"], {"depth": "far"}),
        ("afa", [], {"segmentation": "depth", "depth": "segmentation"}),
        ("joined", ["normals"], {"depth": "far"}),
        ("joined", [], {"normals": "facing"}),
    ],
)
def test_what_stays_answers_as_before(
    method: str, drop: list[str], rename: dict[str, str], runs: dict[str, Run], tmp_path: Path
) -> None:
    before = runs[method]
    after = retask(before.path, tmp_path / "after", drop, rename)
    kept = {task: rename.get(task, task) for task in before.tasks if task not in drop}
    expected, given = outputs(before), outputs(after)
    assert list(given) == list(kept.values()) == list(after.tasks)
    for task, name in kept.items():
        assert torch.equal(given[name], expected[task])
        assert after.scores[name] == before.scores[task]
        assert after.tasks[name].meaning == before.tasks[task].meaning
    if drop:
        assert after.results["parameters"] < sum(p.numel() for p in before.network().parameters())
    assert set(retask(after.path, tmp_path / "again", [], {name: task for task, name in kept.items()}).tasks) == set(
        kept
    )


def test_a_run_that_a_task_left_is_the_run_that_it_joined(runs: dict[str, Run], tmp_path: Path) -> None:
    left = retask(runs["joined"].path, tmp_path / "left", ["normals"])
    ours, theirs = left.weights(), runs["afa"].weights()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    ("drop", "rename", "sentence"),
    [
        (["dept"], {}, "unknown task of .* 'dept', did you mean 'depth'"),
        (OLD, {}, "would have no task left: keep one of segmentation, depth"),
        (["segmentation"], {}, "task 'depth' takes features of 'segmentation' in the fusion layers, so it cannot run"),
        ([], {"depth": "segmentation"}, "'segmentation' cannot name a task, since it is taken"),
        ([], {"depth": "a b"}, "'a b' cannot name a task, since it is not a word"),
    ],
)
def test_what_cannot_be_is_said_and_leaves_nothing(
    drop: list[str], rename: dict[str, str], sentence: str, runs: dict[str, Run], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=sentence):
        retask(runs["afa"].path, tmp_path / "new", drop, rename)
    assert not (tmp_path / "new").exists()


def test_of_fewer_tasks_the_first_join_nobody(runs: dict[str, Run]) -> None:
    def added(method: str, *tasks: str) -> object:
        return taken_over(recipe_for(method, list(tasks), start_from=str(runs["joined"].path))).network.added

    assert added("afa", "depth", "normals") == (("normals",),)
    assert added("afa", "normals") is None  # whom they had joined is not there


def test_with_old_frozen_groups_stay_whatever_tasks_the_recipe_names(runs: dict[str, Run]) -> None:
    keys = {"start_from": str(runs["joined"].path), "network.freeze": "old"}
    assert taken_over(recipe_for("afa", ["other"], **keys)).network.added == (("normals",),)


@pytest.mark.parametrize(
    ("drop", "rename", "by"),
    [([], {"depth": "far"}, "far.rmse"), (["segmentation"], {}, "depth.rmse"), (["depth"], {}, None)],
)
def test_the_recipe_selects_and_samples_by_a_task_that_is_there(
    drop: list[str], rename: dict[str, str], by: str | None, runs: dict[str, Run], tmp_path: Path
) -> None:
    begun = shutil.copytree(runs["hard"].path, tmp_path / "run")
    sampler = SamplerRecipe(tasks=("depth",), classes=False)
    recipe = runs["hard"].recipe.model_copy(
        update={"select": SelectRecipe(by="depth.rmse"), "sampler": sampler, "distill": ("a",)}
    )
    (begun / "recipe.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
    results = json.loads((begun / "metrics.json").read_text())
    results |= {"teachers": {"depth": "a"}, "machine_made": {"train": {"depth": {"machine_made": 3}}}}
    (begun / "metrics.json").write_text(json.dumps(results))
    run = retask(begun, tmp_path / "after", drop, rename)
    after, left = run.recipe, by.partition(".")[0] if by else None
    assert run.results["teachers"] == ({left: "a"} if left else {})
    assert run.results["machine_made"]["train"] == ({left: {"machine_made": 3}} if left else {})
    assert (after.select_by, after.selects) == (by, True)
    assert after.sampler.tasks == ((by.partition(".")[0],) if by else ())
    assert (after.sampler.classes, after.distill) == (not by, ())


def test_the_command_lists_drops_and_renames(
    runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = str(runs["hard"].path), tmp_path / "out"
    assert main(["tasks", run]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == OLD
    assert main(["tasks", run, "--drop", "depth"]) == 2
    assert "give --out OTHER" in capsys.readouterr().err
    assert main(["tasks", run, "--drop", "depth", "--rename", "segmentation=rooms", "--out", str(out)]) == 0
    assert f"{out}: rooms, with the outputs and scores of {run}" in capsys.readouterr().out
    assert list(load_run(out).tasks) == ["rooms"]
    assert main(["tasks", run, "--rename", "depth", "--out", str(tmp_path / "other")]) == 2
    assert "'depth' is not OLD=NEW, such as age=years" in capsys.readouterr().err
    for words in (["--rename", "depth=a", "depth=b"], ["--drop", "depth", "--rename", "depth=a"]):
        assert main(["tasks", run, *words, "--out", str(tmp_path / "other")]) == 2
        assert "task 'depth' is given twice in --rename, or also in --drop" in capsys.readouterr().err
    assert main(["tasks", run, "--out", str(tmp_path / "other")]) == 2
    assert "--out is for a run with other tasks: give --drop or --rename" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
