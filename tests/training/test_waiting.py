"""No step of training waits for its device: on one that has no values, everything that would wait fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from afanet.data import Batch
from afanet.data.cache import use_cache
from afanet.data.prepare import prepare
from afanet.data.resident import Resident
from afanet.networks import create_network
from afanet.recipe.schema import Recipe
from afanet.tasks import Task
from afanet.training.epoch_losses import EpochLosses
from afanet.training.learner import Learner
from afanet.training.loaders import WholeBatches
from afanet.training.optimisation import create_optimizer

from ..data.resident.test_split import DRAWS, TASKS, Made, made
from .unwaiting import DEVICE, Unwaiting, WaitsError, unwaiting_fabric

LEARNT: dict[str, Task] = {name: task for name, task in TASKS.items() if name != "flow"}  # which has another head


def batch(tasks: Mapping[str, Task]) -> Batch:
    targets = {name: torch.stack([task.unlabelled((32, 32))] * 2) for name, task in tasks.items()}
    return {
        "image": torch.empty(2, 3, 32, 32, device=DEVICE),
        "targets": {name: target.to(DEVICE) for name, target in targets.items()},
        "id": ["one", "two"],
    }


@pytest.fixture
def step(
    small: Callable[..., Recipe], tiny_network: Callable[..., nn.Module], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    def unfused(*arguments: Any) -> torch.optim.Optimizer:
        """The optimiser without its fused kernels, which this device lacks."""
        optimizer = create_optimizer(*arguments)
        for group in optimizer.param_groups:
            group.update(fused=False, foreach=False)
        return optimizer

    monkeypatch.setattr("afanet.training.learner.create_optimizer", unfused)

    def learn(tasks: Mapping[str, Task], network: nn.Module | None = None, **options: Any) -> None:
        outputs: dict[str, Any] = {name: task.output for name, task in tasks.items()}
        recipe = small(**{"data.size": [32, 32]} | options)
        learner = Learner(unwaiting_fabric(), network or tiny_network(outputs), tasks, recipe, 4)
        losses = EpochLosses(len(tasks), DEVICE)
        batches = [batch(tasks)] * recipe.optimizer.accumulate
        learner.train()
        learner.learn(batches)  # which moves what balancing remembers
        with Unwaiting():
            values, _ = learner.learn(batches, measure=True)
            losses.add(values, learner.labelled, 1)

    return learn


OPTIONS: Iterable[dict[str, Any]] = (
    {},
    {"optimizer.name": "sgd", "optimizer.clip": 1.0, "optimizer.accumulate": 2},
    {"optimizer.ema": 0.99},
    {"balancing.name": "fixed", "balancing.weights": dict.fromkeys(LEARNT, 1.0)},
    {"balancing.name": "uw"},
    {"balancing.name": "dwa"},
)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_step_does_not_wait(options: dict[str, Any], step: Callable[..., None]) -> None:
    step(LEARNT, **options)


def test_fusion_layers_with_a_guard_do_not_wait(step: Callable[..., None]) -> None:
    tasks = {name: LEARNT[name] for name in ("classes", "depth")}
    outputs = {name: task.output for name, task in tasks.items()}
    step(tasks, create_network("afa", outputs, "test_resnet", weights="none", size=(32, 32), limit=1.0))


def test_resident_batches_do_not_wait(tmp_path: Path) -> None:
    prepare(data := made(Made()), tmp_path, workers=0)
    data = use_cache(data, tmp_path)[0]
    whole = WholeBatches(Resident(data.train, "train", data.tasks, DEVICE), 5, (7, 9))
    with Unwaiting():
        made_there = whole.__getitems__(DRAWS)
    assert made_there["image"].device == DEVICE
    assert {target.device for target in made_there["targets"].values()} == {DEVICE}


@pytest.mark.parametrize(
    "waiting",
    [Tensor.item, bool, float, Tensor.tolist, Tensor.nonzero, lambda x: x[x > 0], Tensor.cpu],
    ids=["item", "bool", "float", "tolist", "nonzero", "by a mask", "cpu"],
)
def test_what_asks_for_a_value_fails(waiting: Callable[[Tensor], Any]) -> None:
    with pytest.raises((RuntimeError, NotImplementedError)):
        waiting(
            torch.ones((), device=DEVICE).expand(1)[0] if waiting in (bool, float) else torch.ones(1, device=DEVICE)
        )


@pytest.mark.parametrize(
    "copying",
    [
        lambda: torch.ones(2).to(DEVICE),
        lambda: torch.tensor([1.0], device=DEVICE),
        lambda: torch.ones(2, device=DEVICE).new_tensor([1.0]),
    ],
)
def test_copies_that_wait_fail(copying: Callable[[], Tensor]) -> None:
    with Unwaiting(), pytest.raises(WaitsError):
        copying()
