"""Training with a frozen backbone: what the optimiser holds, averages, balancing and warm starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from torch import nn

from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.checkpoint import read_checkpoint
from afanet.training.job import prepare
from afanet.training.learner import Learner
from afanet.training.loaders import train_loader
from afanet.training.run import evaluate, train

FROZEN = {
    "network.backbone": "test_resnet",
    "network.head": "linear",
    "network.freeze": "backbone",
    "data.size": [24, 32],
    "data.options.train_scenes": 4,
    "data.options.test_scenes": 2,
    "epochs": 1,
}


@pytest.mark.parametrize("method", ["single", "afa"])
def test_a_step_moves_and_remembers_nothing_frozen(small: Callable[..., Recipe], method: str) -> None:
    job = prepare(small(**FROZEN, **{"network.method": method, "optimizer.ema": 0.5, "skip_nonfinite": True}))
    before = {name: x.clone() for name, x in job.network.state_dict().items()}
    learner = Learner(Fabric(accelerator="cpu"), job.network, job.tasks, job.recipe, 2)
    learner.train()
    for batch in train_loader(job.data, job.recipe):
        learner.learn([batch], measure=True)
    assert learner.average is not None
    learning = sum(p.requires_grad for p in job.network.parameters())
    assert len(learner.optimizer.state_dict()["state"]) == learning == len(learner.parameters)
    for network in (learner.network, learner.average.module):
        after = network.state_dict()
        frozen = [name for name in after if name.startswith("branches.") and ".backbone." in name]
        assert frozen
        assert all(torch.equal(after[name], before[name]) for name in frozen)
        assert any(not torch.equal(x, before[name]) for name, x in after.items())


NORMS: dict[str, Any] = {"network.freeze": "norms"}
OLDER: dict[str, Any] = {"network.freeze": None, "network.freeze_norm": True}


def test_frozen_norms_keep_statistics_and_weights_as_older_recipes_call_them_too(small: Callable[..., Recipe]) -> None:
    learners = []
    for options in (NORMS, OLDER):
        job = prepare(small(**FROZEN | options, **{"network.method": "afa"}))
        before = {name: x.clone() for name, x in job.network.state_dict().items()}
        learner = Learner(Fabric(accelerator="cpu"), job.network, job.tasks, job.recipe, 2)
        learner.train()
        for batch in train_loader(job.data, job.recipe):
            learner.learn([batch])
        after = learner.network.state_dict()
        norms = [name for name in before if name.endswith("running_mean") and ".backbone." in name]
        assert norms
        for norm in (name.rpartition(".")[0] for name in norms):
            assert all(torch.equal(x, before[name]) for name, x in after.items() if name.startswith(f"{norm}."))
        assert not torch.equal(after[kernel := "branches.depth.backbone.conv1.0.weight"], before[kernel])
        learners.append(learner)
    new, older = learners
    assert new.network.frozen == older.network.frozen
    for name, x in new.network.state_dict().items():
        assert torch.equal(x, older.network.state_dict()[name])


@pytest.mark.parametrize("options", [NORMS, OLDER])
def test_parameters_are_counted_without_frozen_norms(
    options: dict[str, Any], small: Callable[..., Recipe], tmp_path: Path
) -> None:
    run = train(small(**FROZEN | options, **{"network.method": "hard"}), tmp_path / "run")
    network = prepare(small(**FROZEN | {"network.freeze": None}, **{"network.method": "hard"})).network
    norms = [m for name, m in network.named_modules() if ".backbone." in name and isinstance(m, nn.BatchNorm2d)]
    frozen = sum(p.numel() for norm in norms for p in norm.parameters())
    assert frozen
    assert run.results["parameters"] == sum(p.numel() for p in network.parameters()) - frozen


def test_an_older_recipe_may_freeze_norms_of_a_backbone_without(small: Callable[..., Recipe]) -> None:
    job = prepare(small(**FROZEN | OLDER | {"network.backbone": "convnext_atto"}))
    assert all(parameter.requires_grad for parameter in job.network.parameters())
    both = prepare(small(**FROZEN | OLDER | {"network.freeze": "stages:2", "network.method": "hard"})).network
    norms = [name for name, m in both.named_modules() if ".backbone." in name and isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert not any(p.requires_grad for name in norms for p in both.get_submodule(name).parameters())
    assert both.get_parameter("branches.segmentation.backbone.layer3.0.conv1.weight").requires_grad


def test_gradients_need_something_shared_that_learns(small: Callable[..., Recipe]) -> None:
    shared = {"network.method": "hard", "balancing.name": "pcgrad"}
    with pytest.raises(InputError, match=r"the tasks share none that learn .* frozen ones have no gradient"):
        prepare(small(**FROZEN, **shared))
    prepare(small(**FROZEN | shared | {"network.freeze": "stages:2"}))


@pytest.mark.parametrize("freeze", ["all", "stages:0", "stages:", "everything"])
def test_a_recipe_names_what_can_be_frozen(freeze: str) -> None:
    with pytest.raises(InputError, match=r"recipe rooms: 'network.freeze' is '.*', expected backbone, stages:N"):
        load_recipe("rooms", {"network.freeze": freeze})


def test_a_run_scores_alike_again_and_a_warm_start_takes_its_trunk(
    small: Callable[..., Recipe], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    single = train(small(**FROZEN, **{"network.method": "single"}), tmp_path / "single")
    assert "one frozen trunk serves all tasks, which learn separately" in capsys.readouterr().err
    assert evaluate(single.path).scores == single.scores

    def warm(**options: Any) -> dict[str, torch.Tensor]:
        job = prepare(small(**FROZEN | options, warm_start=[single.path], seed=1))
        assert "random" not in job.weights_report
        return dict(job.network.state_dict())

    saved = read_checkpoint(single.folder.checkpoint)["state_dict"]
    for options in ({}, {"network.freeze": None}, {"network.method": "hard"}):
        state = warm(**options)
        for name, x in state.items():
            _, _, layer = name.split(".", 2)
            if name.startswith("branches."):
                trunk = f"network.branches.segmentation.{layer}"
                assert torch.equal(x, saved[trunk if layer.startswith("backbone.") else f"network.{name}"])

    others = [
        train(small(**FROZEN, **{"network.method": "single", "tasks": [task]}, seed=seed), tmp_path / task).path
        for seed, task in enumerate(("segmentation", "depth"))
    ]
    with pytest.raises(InputError, match=r"all tasks share one frozen trunk, but its .* is not that in"):
        prepare(small(**FROZEN, warm_start=others))


def test_what_thaws_learns_from_its_epoch_on_and_the_optimiser_remembers_the_rest(
    small: Callable[..., Recipe],
) -> None:
    thawing = {"network.method": "afa", "network.freeze": {"backbone": 1, "task:depth": 2}}
    job = prepare(small(**FROZEN | thawing))
    learner = Learner(Fabric(accelerator="cpu"), job.network, job.tasks, job.recipe, 6)
    [batch] = train_loader(job.data, job.recipe)
    history = []
    for epoch in range(3):
        thawed = learner.begin(epoch)
        before = {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}
        learner.train()
        learner.learn([batch])
        moved = {name for name, tensor in learner.network.state_dict().items() if not torch.equal(tensor, before[name])}
        history.append((thawed, {name.split(".")[2] for name in moved if name.startswith("branches.depth.")}, moved))
        learnt = {int(state["step"]) for state in learner.optimizer.state_dict()["state"].values()}
        assert max(learnt) == epoch + 1
    assert [thawed for thawed, *_ in history] == [[], ["backbone"], ["task:depth"]]
    assert [parts for _, parts, _ in history] == [set(), set(), {"backbone", "head"}]
    assert not any(name.startswith("branches.") and ".backbone." in name for name in history[0][2])
    assert any(name.startswith("branches.segmentation.backbone.") for name in history[1][2])
    assert list(learner.learning) == ["segmentation", "depth"]
    assert learner.rates == ["backbone", "head", "fusion"]
