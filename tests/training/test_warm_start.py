"""Beginning with single-task networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from afanet.errors import InputError
from afanet.recipe.preprocessing import with_normalisation_of_backbone
from afanet.recipe.schema import Recipe
from afanet.runs.checkpoint import read_checkpoint
from afanet.runs.folder import LOCK, MARK, RunFolder
from afanet.runs.setup import build_network, open_tasks
from afanet.training import job as preparing
from afanet.training import run as running
from afanet.training.run import train
from afanet.training.warm_start import warm_start

TINY = {"network.backbone": "resnet10t", "data.size": [24, 32], "epochs": 1, "steps": 1}


@pytest.fixture
def runs(small: Callable[..., Recipe], tmp_path: Path) -> list[Path]:
    """Two runs, each of one task alone."""
    for task in ("segmentation", "depth"):
        train(small(**TINY, **{"network.method": "single", "tasks": [task]}), tmp_path / task)
    return [tmp_path / "segmentation", tmp_path / "depth"]


@pytest.mark.parametrize("heads", [True, False])
def test_every_branch_becomes_its_single_task_network(
    runs: list[Path], small: Callable[..., Recipe], heads: bool
) -> None:
    recipe = small(**TINY)
    _, tasks = open_tasks(recipe)
    network = build_network(recipe, tasks, "none")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    message = warm_start(network, list(tasks), runs, heads)
    for path, task in zip(runs, tasks, strict=True):
        assert f"{task} from {path}" in message
        saved = read_checkpoint(path / "last.ckpt")["state_dict"]
        for key, value in network.state_dict().items():
            if key.startswith(f"branches.{task}."):
                loaded = heads or ".backbone." in key
                assert torch.equal(value, saved[f"network.{key}"] if loaded else before[key])
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items() if k.startswith("fusion."))


def test_what_cannot_be_loaded_is_said(runs: list[Path], small: Callable[..., Recipe], tmp_path: Path) -> None:
    def refuse(sentence: str, folders: list[Path], **options: object) -> None:
        with pytest.raises(InputError, match=sentence):
            train(small(**(TINY | options), warm_start=folders), tmp_path / "run")
        assert not (tmp_path / "run").exists()

    refuse("no run given has task 'depth', found segmentation", runs[:1])
    refuse("task 'depth' is in .* and in", [*runs, runs[1]])
    refuse("has no recipe.yaml", [tmp_path / "nothing"])
    refuse(
        "has .* for 'branches.segmentation.backbone",
        runs,
        **{"network.output_stride": 32, "network.backbone": "resnet18"},
    )
    refuse("has no whole backbone of its own", runs, **{"network.method": "hard"})
    train(small(**TINY), tmp_path / "afa")
    refuse("is a run of method 'afa', expected 'single'", [tmp_path / "afa"])


def test_two_stages_are_one_after_the_other(small: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe = small(**TINY, two_stage=True)
    run = train(recipe, tmp_path / "both")
    first = train(small(**TINY, **{"network.method": "single"}), tmp_path / "single")
    second = train(small(**TINY, warm_start=[tmp_path / "single"]), tmp_path / "afa")
    assert run.results["tasks"] == second.results["tasks"]
    both = read_checkpoint(tmp_path / "both/single/last.ckpt")["state_dict"]
    assert all(torch.equal(both[k], v) for k, v in read_checkpoint(first.folder.checkpoint)["state_dict"].items())


def test_a_run_of_two_stages_goes_on_from_either_by_the_recipe_it_was_given(
    small: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small(**TINY, two_stage=True)
    folder = RunFolder(tmp_path / "run")

    def killed(*arguments: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(preparing, "warm_start", killed)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, folder.path)
    monkeypatch.undo()
    assert not folder.checkpoint.exists()
    first = RunFolder(folder.single).checkpoint.read_bytes()
    with pytest.raises(InputError, match="has seed 0, and now it is 1"):
        train(recipe.model_copy(update={"seed": 1}), folder.path, resume=True)
    run = train(recipe, folder.path, resume=True)
    assert RunFolder(folder.single).checkpoint.read_bytes() == first
    assert run.results["tasks"] == train(recipe, tmp_path / "whole").results["tasks"]
    resolved = with_normalisation_of_backbone(running.resolve(recipe))
    assert folder.read_recipe().model_dump() == resolved.model_dump()
    folder.metrics.unlink()  # as if it had been killed at its very end
    assert train(recipe, folder.path, resume=True).results["tasks"] == run.results["tasks"]


@pytest.mark.parametrize("stage", ["single", "run"])
def test_where_a_stage_fails_before_it_learnt_what_the_others_learnt_is_left(
    stage: str, small: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(job: Any, where: RunFolder) -> None:
        if where.path.name == stage:
            raise InputError("the disk is full")
        before(job, where)

    before = running.fit
    recipe, folder = small(**TINY, two_stage=True), RunFolder(tmp_path / "run")
    monkeypatch.setattr(running, "fit", fit)
    with pytest.raises(InputError, match="disk is full"):
        train(recipe, folder.path)
    monkeypatch.undo()
    left = {file.name for file in folder.path.iterdir()} if folder.path.exists() else set()
    assert left == (set() if stage == "single" else {MARK, LOCK, "recipe.yaml", "single"})
    assert train(recipe, folder.path, resume=True).results["steps"] == 1
