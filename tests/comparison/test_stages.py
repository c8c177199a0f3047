"""In two stages every run of a comparison begins with the single-task networks of its seed, which are trained once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from afanet.cli.main import main
from afanet.comparison import plan as planning
from afanet.comparison.groups import group_runs
from afanet.comparison.plan import by_methods, complete, part, plan, with_first_stages
from afanet.comparison.stages import in_two_stages, require_one_start
from afanet.errors import InputError
from afanet.recipe.load import change_recipe, load_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.folder import RunFolder
from afanet.runs.hold import FolderInUseError
from afanet.runs.run import Run, load_run
from afanet.training import job as preparing

from ..finished import Make

SIZES = """--backbone test_resnet --size 32 32 --data.options.train_pairs 8 --data.options.test_pairs 4 --epochs 1
--batch-size 4 --workers 0 --device cpu --precision float32"""
SMALL = SIZES.split()
SCORES: dict[str, dict[str, Any]] = {"left": {"accuracy": 0.5}}


def names(planned: list[planning.Planned]) -> list[str]:
    return [run.folder.path.name for run in planned]


def two_stages(recipe: Recipe, methods: list[str], out: Path, **options: Any) -> list[planning.Planned]:
    return in_two_stages(plan(by_methods(recipe, methods), out=out, **options), recipe, out)


def finish(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.json").touch()


def test_of_each_seed_the_first_stage_comes_first_and_every_run_begins_with_it(tmp_path: Path) -> None:
    recipe = load_recipe("digits", {"seed": 5, "network.guard": 2.0, "balancing.name": "cagrad"})
    planned = two_stages(recipe, ["single", "afa"], tmp_path, seeds=2)
    assert names(planned) == ["single-seed5", "afa-seed5", "single-seed6", "afa-seed6"]
    whole = with_first_stages(planned)
    assert names(whole) == [
        *("first-stage-seed5", "single-seed5", "afa-seed5"),
        *("first-stage-seed6", "single-seed6", "afa-seed6"),
    ]
    for run in planned:
        assert run.first is not None
        assert run.recipe.warm_start == (tmp_path / f"first-stage-seed{run.recipe.seed}",)
        assert run.first.recipe == change_recipe(
            recipe,
            {
                "network.method": "single",
                "network.guard": None,
                "balancing.name": "equal",
                "seed": run.recipe.seed,
            },
            "test",
        )
    folds = two_stages(recipe, ["hard"], tmp_path, seeds=1, folds=(0, 3))
    assert names(with_first_stages(folds)) == [
        *("first-stage-fold0-seed5", "hard-fold0-seed5"),
        *("first-stage-fold3-seed5", "hard-fold3-seed5"),
    ]
    assert [run.first.recipe.data.options["fold"] for run in folds if run.first] == [0, 3]


def test_a_share_trains_the_first_stages_that_its_runs_lack(tmp_path: Path) -> None:
    planned = two_stages(load_recipe("digits"), ["single", "hard", "afa"], tmp_path, seeds=2)
    assert names(with_first_stages(part(planned, "2/3"))) == [
        *("first-stage-seed0", "hard-seed0"),
        *("first-stage-seed1", "hard-seed1"),
    ]
    assert names(with_first_stages(part(planned, "6/6"))) == ["first-stage-seed1", "afa-seed1"]
    finish(tmp_path / "hard-seed0")
    assert names(with_first_stages(part(planned, "2/3"))) == ["hard-seed0", "first-stage-seed1", "hard-seed1"]


def test_who_needs_a_first_stage_that_another_command_trains_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    used, trained, waited = {"first-stage-seed0": 2}, [], []

    def train(recipe: Recipe, path: Path, resume: bool) -> Run:
        if used.get(path.name):
            used[path.name] -= 1
            raise FolderInUseError(f"run folder {path} is in use")
        trained.append(path.name)
        return Run(RunFolder(path), recipe, {})

    monkeypatch.setattr(planning, "train", train)
    monkeypatch.setattr(planning, "sleep", waited.append)
    planned = two_stages(load_recipe("digits"), ["single", "hard"], tmp_path, seeds=1)
    complete(planned)
    assert trained == ["first-stage-seed0", "single-seed0", "hard-seed0"]
    assert waited == [planning.POLL] * 2
    assert capsys.readouterr().err.count("another command trains") == 1
    used["hard-seed0"] = 1
    with pytest.raises(FolderInUseError, match="hard-seed0 is in use"):
        complete(planned)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--warm-start", "somewhere"], "recipe digits has warm_start .*: leave one of them out"),
        (["--start-from", "somewhere"], "recipe digits has start_from .*: leave one of them out"),
        (["--variants", "ablations"], "variant 'warm' has two_stage True, but with --two-stage every run starts"),
        (["--variants", "other.yaml"], "variant 'other' has network.backbone 'resnet18'"),
        (["--variants", "headed.yaml"], "variant 'headed' has network.head 'linear'"),
        (["--variants", "named.yaml"], "variant 'first-stage' has the name of the first stage's folders"),
    ],
)
def test_what_cannot_begin_with_one_first_stage_is_refused_before_anything_is_trained(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.yaml").write_text("other: {network.method: hard, network.backbone: resnet18}\n")
    Path("headed.yaml").write_text("headed: {network.method: afa, network.head: linear}\n")
    Path("named.yaml").write_text("first-stage: {network.method: hard}\n")
    assert main(["compare", "digits", *SMALL, "--two-stage", *words]) == 2
    assert re.search(said, capsys.readouterr().err)
    assert not Path("runs").exists()


def test_a_recipe_of_two_stages_is_refused_beside_the_flag() -> None:
    with pytest.raises(InputError, match="recipe digits has two_stage True, but with --two-stage"):
        require_one_start(load_recipe("digits", {"two_stage": True}), {})


def test_runs_that_begin_each_with_those_of_its_seed_are_one_method(finished: Make) -> None:
    def begun(seed: int, fold: str = "") -> dict[str, Any]:
        return {"warm_start": [f"/runs/first-stage{fold}-seed{seed}"]}

    alone, afa = ([finished(method, seed, SCORES, keys=begun(seed)) for seed in (0, 1)] for method in ("single", "afa"))
    assert [run.recipe.warm_start for run in alone] == [None, None]
    alone = [
        Run(run.folder, run.recipe.model_copy(update={"warm_start": afa_run.recipe.warm_start}), run.results)
        for run, afa_run in zip(alone, afa, strict=True)
    ]
    groups = group_runs([*alone, *afa])
    assert [(group.title, group.seeds) for group in groups] == [("single", [0, 1]), ("afa", [0, 1])]
    plain = [finished(method, seed, SCORES) for method in ("single", "afa") for seed in (0, 1)]
    titles = [group.title for group in group_runs([*plain, *alone, *afa])]
    begun_title = "warm_start=['/runs/first-stage-seed*']"
    assert titles == ["single", "afa", f"single, {begun_title}", f"afa, {begun_title}"]


def test_from_a_first_stage_of_train_through_a_kill_between_the_stages_to_the_runs_of_two_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[tuple[list[Run], bool]] = []
    monkeypatch.setattr(
        "afanet.cli.compare.show_runs", lambda runs, *rest, averaged, baseline: shown.append((runs, averaged))
    )
    monkeypatch.setattr("afanet.comparison.costs.measure_costs", lambda groups: None)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "digits", *SMALL, "--method", "single", "--out", "c/first-stage-seed0"]) == 0
    first = Path("c/first-stage-seed0/weights.safetensors")
    before = first.read_bytes(), first.stat().st_mtime_ns
    words = ["compare", "digits", *SMALL, "--methods", "single,mtan", "--seeds", "1", "--two-stage", "--out", "c"]
    assert main([*words, "--jobs"]) == 0
    assert "--two-stage --out c --only 2/2" in capsys.readouterr().out

    def killed(*arguments: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(preparing, "warm_start", killed)
        assert main(words) == 130
    assert not Path("c/single-seed0/last.ckpt").exists()
    assert main([*words, "--only", "1/2"]) == 0
    said = capsys.readouterr().err
    assert "first-stage-seed0 (1 of 2): there already" in said
    assert "1 of 2 runs are still missing: mtan-seed0" in said
    assert main(words) == 0
    [(runs, averaged)] = shown
    assert averaged
    assert [(group.title, group.seeds) for group in group_runs(runs)] == [("single", [0]), ("mtan", [0])]
    assert (first.read_bytes(), first.stat().st_mtime_ns) == before
    assert (
        main(["train", "digits", *SMALL, "--method", "mtan", "--warm-start", "c/first-stage-seed0", "--out", "m"]) == 0
    )
    ours, theirs = (load_run(path).weights() for path in ("c/mtan-seed0", "m"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(x, theirs[name]) for name, x in ours.items())
    alone = load_run("c/single-seed0")
    assert alone.results["steps"] == load_run(first.parent).results["steps"] == 2
    assert not all(torch.equal(x, alone.weights()[name]) for name, x in load_run(first.parent).weights().items())
