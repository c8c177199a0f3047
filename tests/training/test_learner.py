"""One step of training against the same by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from torch import nn

from afanet.data import Batch
from afanet.networks import create_network
from afanet.networks.outputs import Dense, Pooled
from afanet.recipe.schema import Recipe
from afanet.tasks import Classification, Depth, Segmentation, Task
from afanet.tasks.loss_options import choose_loss
from afanet.training.learner import Learner

TASKS: dict[str, Task] = {
    "segmentation": Segmentation(["a", "b", "c"]),
    "depth": Depth(),
    "age": Classification("age", ["young", "old"]),
}
Make = Callable[..., Learner]


def batch(seed: int = 0) -> Batch:
    torch.manual_seed(seed)
    return {
        "image": torch.randn(2, 3, 8, 8),
        "targets": {
            "segmentation": torch.randint(3, (2, 8, 8)),
            "depth": torch.rand(2, 1, 8, 8),
            "age": torch.tensor([0, -1]),
        },
        "id": ["one", "two"],
    }


@pytest.fixture
def make(small: Callable[..., Recipe], tiny_network: Callable[..., nn.Module]) -> Make:
    def learner(network: nn.Module | None = None, steps: int = 4, **options: Any) -> Learner:
        torch.manual_seed(3)
        network = network or tiny_network({name: task.output for name, task in TASKS.items()})
        sgd = {"optimizer.name": "sgd", "optimizer.momentum": 0, "optimizer.weight_decay": 0, "schedule.warmup": 0}
        recipe = small(**sgd | {"optimizer.lr": 0.1, "schedule.name": "constant"} | options)
        made = Learner(Fabric(accelerator="cpu"), network, TASKS, recipe, steps)
        made.train()
        return made

    return learner


def gradients(learner: Learner, data: Batch) -> dict[str, torch.Tensor]:
    loss = torch.stack(learner.losses(data)).sum()
    names = [name for name, _ in learner.network.named_parameters()]
    return dict(zip(names, torch.autograd.grad(loss, list(learner.network.parameters())), strict=True))


def test_a_step_is_the_rate_times_the_gradient_of_the_sum(make: Make) -> None:
    learner, other = make(), make()
    expected = gradients(other, batch())
    losses, _ = learner.learn([batch()])
    assert losses.tolist() == pytest.approx([loss.item() for loss in other.losses(batch())], rel=1e-5)
    for name, parameter in other.network.named_parameters():
        torch.testing.assert_close(learner.network.get_parameter(name), parameter - 0.1 * expected[name])


def test_a_loss_counts_as_often_as_its_weight_says(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    learner, other = make(), make()
    plain = other.losses(batch())
    expected = torch.autograd.grad(plain[0] + 3 * plain[1] + plain[2], list(other.network.parameters()))
    monkeypatch.setitem(learner.learning, "depth", choose_loss(TASKS["depth"], {"weight": 3}))
    losses, _ = learner.learn([batch()])
    torch.testing.assert_close(losses, torch.stack(plain).detach() * torch.tensor([1, 3, 1]))
    for (name, parameter), gradient in zip(other.network.named_parameters(), expected, strict=True):
        torch.testing.assert_close(learner.network.get_parameter(name), parameter - 0.1 * gradient)


def test_accumulated_batches_are_averaged(make: Make) -> None:
    learner, other = make(**{"optimizer.accumulate": 2}), make()
    one, two = (gradients(other, batch(seed)) for seed in (0, 1))
    learner.learn([batch(0), batch(1)])
    for name, parameter in other.network.named_parameters():
        expected = parameter - 0.1 * (one[name] + two[name]) / 2
        torch.testing.assert_close(learner.network.get_parameter(name), expected)


def test_a_clipped_gradient_has_the_limit_as_its_norm(make: Make) -> None:
    learner = make(**{"optimizer.clip": 0.01})
    before = [p.clone() for p in learner.network.parameters()]
    _, norm = learner.learn([batch()])
    moved = torch.cat([(p - q).flatten() for p, q in zip(learner.network.parameters(), before, strict=True)])
    assert norm is not None
    assert norm > 0.01
    assert moved.norm().item() == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_the_average_follows_the_weights_by_its_decay(make: Make) -> None:
    learner = make(**{"optimizer.ema": 0.75})
    name = "branches.depth.head.weight"
    values = []
    for _ in range(3):
        learner.learn([batch()])
        values.append(learner.network.get_parameter(name).detach().clone())
    expected = values[0]
    for value in values[1:]:
        expected = 0.75 * expected + 0.25 * value
    torch.testing.assert_close(learner.scored.get_parameter(name), expected)
    assert learner.scored is not learner.network


def test_a_task_without_labels_leaves_the_others_to_learn(make: Make) -> None:
    data = batch()
    data["targets"]["depth"] = torch.zeros(2, 1, 8, 8)
    actual = gradients(make(), data)
    assert all(gradient.isfinite().all() for gradient in actual.values())
    assert (actual["branches.depth.head.weight"] == 0).all()
    assert (actual["branches.age.head.weight"] != 0).any()


def test_a_step_that_is_skipped_leaves_everything_as_it_was(make: Make) -> None:
    learner = make(skip_nonfinite=True)
    before = {key: value.clone() for key, value in learner.network.state_dict().items()}
    data = batch()
    data["image"][0, 0, 0, 0] = float("inf")
    losses, norm = learner.learn([data])
    assert not losses.isfinite().all()
    assert norm is None
    assert (learner.step, learner.skipped) == (1, 1)
    assert all(torch.equal(value, before[key]) for key, value in learner.network.state_dict().items())
    learner.learn([batch()])
    assert not torch.equal(
        learner.network.get_parameter("branches.age.head.weight"), before["branches.age.head.weight"]
    )


def test_images_and_weights_are_channels_last(make: Make) -> None:
    learner, seen = make(), []
    learner.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    learner.losses(batch())
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    kernel = learner.network.get_parameter("branches.age.backbone.0.weight")
    assert kernel.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("method", ["afa", "nddr", "cross_stitch"])
def test_the_guard_is_counted_wherever_branches_meet(method: str, make: Make) -> None:
    outputs = {"segmentation": Dense(3), "depth": Dense(1), "age": Pooled(2)}
    network = create_network(method, outputs, "resnet10t", size=(32, 32), limit=0.0)
    learner = make(network, **{"network.guard": 0})
    data = batch()
    data["image"] = torch.randn(2, 3, 32, 32)
    data["targets"] |= {"segmentation": torch.randint(3, (2, 32, 32)), "depth": torch.rand(2, 1, 32, 32)}
    learner.learn([data])
    assert learner.guards
    assert all((guard.acted == 1).all() and guard.passes == 1 for guard in learner.guards.values())
    assert learner.cosines(data) == {}


def test_looking_at_cosines_changes_nothing(make: Make) -> None:
    learner = make()
    before = {key: value.clone() for key, value in learner.network.state_dict().items()}
    learner.cosines(batch())
    assert all(torch.equal(value, before[key]) for key, value in learner.network.state_dict().items())
    assert all(parameter.grad is None for parameter in learner.network.parameters())
