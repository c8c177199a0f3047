"""Beginning with single-task networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.outside import trust_code
from afanet.recipe.preprocessing import with_normalisation_of_backbone
from afanet.recipe.schema import Recipe
from afanet.runs.checkpoint import read_checkpoint
from afanet.runs.folder import LOCK, MARK, RunFolder
from afanet.runs.run import load_run
from afanet.runs.setup import build_network, open_tasks
from afanet.training import job as preparing
from afanet.training import run as running
from afanet.training.run import train
from afanet.training.warm_start import _fixed, _mean, warm_start

from ..relatives import relatives
from ..small import make_small

Saved = dict[str, dict[str, Tensor]]
TASKS = ("segmentation", "depth")
TINY = {
    "network.backbone": "test_resnet",
    "network.head": "linear",
    "data.size": [24, 32],
    "epochs": 1,
    "steps": 1,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs, each of one task alone."""
    folder = tmp_path_factory.mktemp("alone")
    for task in TASKS:
        train(make_small(**TINY, **{"network.method": "single", "tasks": [task]}), folder / task)
    return [folder / task for task in TASKS]


@pytest.fixture(scope="module")
def saved(runs: list[Path]) -> Saved:
    """The weights of the branch of each task in its run, by their names in the branch."""
    return {
        task: {name.removeprefix(f"branches.{task}."): x for name, x in load_run(path).weights().items()}
        for path, task in zip(runs, TASKS, strict=True)
    }


@pytest.mark.parametrize(
    ("method", "heads"),
    [
        ("afa", True),
        ("afa", False),
        ("cgc", True),
        pytest.param("mmoe", True, marks=pytest.mark.slow),
        pytest.param("sluice", True, marks=pytest.mark.slow),
    ],
)
def test_every_branch_becomes_its_single_task_network(
    runs: list[Path], small: Callable[..., Recipe], method: str, heads: bool
) -> None:
    recipe = small(**TINY, **{"network.method": method})
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


MINE = """
from afanet import Fusion

class Mine(Fusion):
    "Every task gets the mean of all."
    def fuse(self, xs):
        return [sum(xs) / len(xs)] * len(xs)
"""


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    ("method", "own", "heads"),
    [
        ("hard", (), True),
        ("mtan", (), False),
        ("afa", ("layer3", "layer4"), True),
        ("mine", ("layer4",), False),
        ("pad_net", (), False),
        pytest.param("mti_net", (), False, marks=pytest.mark.slow),
        pytest.param("cross_attention", (), False, marks=pytest.mark.slow),
    ],
)
def test_what_tasks_share_begins_as_the_mean_of_theirs_and_the_rest_as_each_has_it(
    method: str, own: tuple[str, ...], heads: bool, runs: list[Path], saved: Saved, tmp_path: Path
) -> None:
    if method == "mine":
        (tmp_path / "mine.py").write_text(MINE)
        method = f"{tmp_path / 'mine.py'}:Mine"
        trust_code(method)
    trunk = {"network.trunk": 4 - len(own)} if own else {}
    recipe = make_small(**TINY, **{"network.method": method}, **trunk)
    _, tasks = open_tasks(recipe)
    network = build_network(recipe, tasks, "none")
    before = {name: x.clone() for name, x in network.state_dict().items()}
    said = warm_start(network, list(tasks), runs, heads)
    shared = 0
    for name, x in network.state_dict().items():
        _, task, part = name.split(".", 2)
        layer = part.split(".")[1]
        if name.startswith("fusion.") or (not heads and part.startswith("head.")):
            assert torch.equal(x, before[name])
        elif part.startswith("head.") or layer in own:
            assert torch.equal(x, saved[task][part])
        elif x.is_floating_point():
            a, b = (saved[each][part].numpy().astype(np.float64) for each in TASKS)
            assert np.array_equal(x.numpy(), ((a + b) / 2).astype(np.float32))
            shared += 1
        else:  # batch norm counts batches
            assert x == saved[TASKS[0]][part]
            shared += 1
    assert shared > 0
    assert f"the shared trunk is the mean of their backbones ({shared} tensors)" in said
    fresh = said.partition("; as initialised: ")[2]
    fused = sum(name.startswith("fusion.") for name in before)
    assert (f"fusion ({fused} tensors)" in fresh) == (fused > 0)
    assert ("branches.depth.head" in fresh) == (not heads)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("method", relatives(["pad_net", "mti_net", "cross_attention"], ["pad_net"]))
def test_heads_of_another_form_are_refused_until_they_are_left_out(method: str, runs: list[Path]) -> None:
    recipe = make_small(**TINY | {"network.method": method, "network.head": None})
    _, tasks = open_tasks(recipe)
    network = build_network(recipe, tasks, "none")
    with pytest.raises(InputError, match=r"'branches\.segmentation\.head\..*, or leave the heads out with warm_heads"):
        warm_start(network, list(tasks), runs)


def test_a_counter_of_two_trunks_is_that_of_the_first_task_and_a_mean_is_not_rounded_twice() -> None:
    sixteen = [torch.tensor([1.0], dtype=torch.bfloat16), torch.tensor([1.0078125], dtype=torch.bfloat16)]
    assert _mean([torch.tensor(7), torch.tensor(9)]) == 7
    assert _mean(sixteen) == torch.tensor([1.00390625], dtype=torch.float64).to(torch.bfloat16)
    huge = torch.full((2,), 3e38)  # whose sum is no float32
    assert torch.equal(_mean([huge, huge, huge]), huge)


def test_what_is_frozen_of_a_shared_trunk_must_be_the_same_and_factors_have_no_mean() -> None:
    layers = {"conv": nn.Conv2d(1, 1, 1, bias=False), "norm": nn.BatchNorm2d(1)}
    leader = nn.ModuleDict({"backbone": nn.ModuleDict(layers)})
    shared = {name: ["a", "b"] for name in leader.state_dict()}
    assert _fixed(leader, shared) == []
    layers["conv"].requires_grad_(False)
    assert _fixed(leader, shared) == ["backbone.conv.weight"]
    layers["norm"].requires_grad_(False)
    assert _fixed(leader, shared) == list(shared)  # the norm's statistics too
    adapted = nn.ModuleDict({"backbone": nn.ModuleDict({"lora_A": nn.Linear(1, 1, bias=False)})})
    with pytest.raises(InputError, match=r"such as 'backbone\.lora_A\.weight'.* give network\.lora\.by task"):
        _fixed(adapted, {"backbone.lora_A.weight": ["a", "b"]})


def test_what_cannot_be_loaded_is_said(runs: list[Path], small: Callable[..., Recipe], tmp_path: Path) -> None:
    def refuse(sentence: str, folders: list[Path], **options: object) -> None:
        with pytest.raises(InputError, match=sentence):
            train(small(**(TINY | options), warm_start=folders), tmp_path / "run")
        assert not (tmp_path / "run").exists()

    refuse("no given run has task 'depth', found segmentation", runs[:1])
    refuse("task 'depth' is in .* and in", [*runs, runs[1]])
    refuse("has no recipe.yaml", [tmp_path / "nothing"])
    refuse(
        "has .* for 'branches.segmentation.backbone",
        runs,
        **{"network.output_stride": 32, "network.backbone": "resnet10t"},
    )
    hard = {"network.method": "hard"}
    refuse("has .* for 'branches.segmentation.backbone", runs, **hard, **{"network.backbone": "resnet10t"})
    refuse(
        "task 'depth'. is not that in .*: start from runs of one frozen backbone",
        runs,
        **hard,
        **{"network.freeze": "stages:1"},
    )
    train(small(**TINY | {"network.backbone": "resnet10t"}), tmp_path / "afa")
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
    with pytest.raises(InputError, match="has seed 0, but now it is 1"):
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
    def fit(job: Any, where: RunFolder, *watch: Any) -> None:
        if where.path.name == stage:
            raise InputError("the disk is full")
        before(job, where, *watch)

    before = running.fit
    recipe, folder = small(**TINY, two_stage=True), RunFolder(tmp_path / "run")
    monkeypatch.setattr(running, "fit", fit)
    with pytest.raises(InputError, match="disk is full"):
        train(recipe, folder.path)
    monkeypatch.undo()
    left = {file.name for file in folder.path.iterdir()} if folder.path.exists() else set()
    assert left == (set() if stage == "single" else {MARK, LOCK, "recipe.yaml", "single"})
    assert train(recipe, folder.path, resume=True).results["steps"] == 1
