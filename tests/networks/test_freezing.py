"""Parts of a network freeze and thaw; what they are, and what is left to learn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from afanet import Dense, InputError, Pooled, create_network
from afanet.networks.freezing import Freezing
from afanet.networks.woven import Woven

OUTPUTS: dict[str, Any] = {"depth": Dense(1), "scene": Pooled(3)}


def make(method: str, **options: Any) -> Woven:
    return create_network(method, OUTPUTS, "test_resnet", size=(32, 32), **options)


def frozen(network: nn.Module) -> set[str]:
    return {name for name, parameter in network.named_parameters() if not parameter.requires_grad}


def under(network: nn.Module, *starts: str) -> set[str]:
    return {name for name, _ in network.named_parameters() if name.startswith(starts)}


@pytest.mark.parametrize(
    ("method", "what", "starts"),
    [
        ("afa", "backbone", ("branches.depth.backbone.", "branches.scene.backbone.")),
        ("afa", "heads", ("branches.depth.head.", "branches.scene.head.")),
        ("afa", "task:scene", ("branches.scene.",)),
        ("hard", "backbone", ("branches.depth.backbone.",)),
        ("hard", "task:depth", ("branches.depth.head.",)),  # the trunk, which it holds, is not its own
        ("mtan", "task:scene", ("branches.scene.", "fusion.scene.")),
        ("mtan", "task:depth", ("branches.depth.head.", "fusion.depth.")),
        ("single", "task:depth", ("branches.depth.",)),
    ],
)
def test_a_part_is_what_its_name_says(method: str, what: str, starts: tuple[str, ...]) -> None:
    network = make(method)
    Freezing(network, {what: None}).apply(0)
    assert frozen(network) == under(network, *starts) != set()


def test_the_own_stages_of_a_task_are_its_part_and_a_trunk_that_it_holds_is_not() -> None:
    network = make("hard", trunk=2)
    Freezing(network, {"task:depth": None}).apply(0)
    kept = under(network, "branches.depth.") - frozen(network)
    assert {name.split(".")[3] for name in kept} == {"conv1", "bn1", "layer1", "layer2"}
    assert frozen(network) >= under(network, "branches.depth.backbone.layer3.", "branches.depth.head.")


def test_first_stages_are_frozen_in_every_branch() -> None:
    network = make("afa")
    Freezing(network, {"stages:2": None}).apply(0)
    parts = {(name.split(".")[1], name.split(".")[3]) for name in frozen(network)}
    assert parts == {(task, layer) for task in OUTPUTS for layer in ("conv1", "bn1", "layer1", "layer2")}


def test_a_part_thaws_after_its_epochs_and_what_is_frozen_otherwise_stays_so() -> None:
    network = make("afa", freeze="norms").train()
    before = frozen(network)
    freezing = Freezing(network, {"backbone": 2, "task:scene": 3})
    history, modes = [], []
    for epoch in range(5):
        changed = freezing.apply(epoch)
        history.append((changed, len(frozen(network)), freezing.frozen))
        modes.append({name for name, module in network.named_modules() if not module.training})
    assert [changed for changed, *_ in history] == [True, False, True, True, False]
    assert [names for *_, names in history][::2] == [["backbone", "task:scene"], ["task:scene"], []]
    assert frozen(network) == before
    assert freezing.last == 3
    assert modes[-1] < modes[2] < modes[0]
    assert all(".backbone." in name or name.endswith("bn1") for name in modes[-1])


def test_frozen_parts_do_not_change_and_have_no_gradient() -> None:
    network = make("afa")
    Freezing(network, {"task:scene": None, "stages:1": None}).apply(0)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1.0)
    sum(y.square().mean() for y in network(torch.rand(2, 3, 32, 32)).values()).backward()
    optimizer.step()
    still = {name for name, tensor in network.state_dict().items() if torch.equal(tensor, state[name])}
    assert under(network, "branches.scene.", "branches.depth.backbone.layer1.") <= still
    assert not still & under(network, "branches.depth.head.classify")
    buffers = {name for name, _ in network.named_buffers() if name.startswith("branches.scene.")}
    assert buffers <= still


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        ({"task:sceen": None}, "unknown task to freeze 'sceen', did you mean 'scene'"),
        ({"stages:9": 2}, "has 4 stages: expected"),
        ({"backbone": None, "heads": None}, "with backbone, heads frozen, nothing of the network learns"),
    ],
)
def test_what_cannot_be_frozen_is_said(plan: dict[str, int | None], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Freezing(make("hard"), plan)


def test_what_thaws_later_may_be_all_that_learns() -> None:
    assert Freezing(make("hard"), {"backbone": None, "heads": 1}).last == 1
