"""Frozen parts: they learn nothing and stay in evaluation."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.networks import Dense, Head, Pooled, Woven, create_network, register_head
from afanet.networks.backbones import Backbone
from afanet.networks.frozen import KeepsFrozen, freeze_norms, freeze_stages, layers_up_to

SIZE = (32, 48)
OUTPUTS = {"depth": Dense(1), "labels": Dense(3), "scene": Pooled(4)}
METHODS = ["single", "hard", "mtan", "cross_stitch", "afa"]


def make(method: str, freeze: str | None, outputs: Any = OUTPUTS, **options: Any) -> Woven:
    torch.manual_seed(0)
    return create_network(method, outputs, "test_resnet", size=SIZE, freeze=freeze, **{"head": "linear"} | options)


def total(outputs: dict[str, Tensor]) -> Tensor:
    return torch.stack([x.square().mean() for x in outputs.values()]).sum()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("freeze", ["backbone", "stages:2", "norms"])
def test_what_is_frozen_does_not_change_and_all_else_learns(method: str, freeze: str) -> None:
    network = make(method, freeze).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.1)
    total(network(torch.rand(2, 3, *SIZE))).backward()
    optimizer.step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    frozen = {name for name in before if any(name.startswith(f"{path}.") for path in network.frozen)}
    assert frozen
    assert not changed & frozen
    assert all(parameter.grad is None for name, parameter in network.named_parameters() if name in frozen)
    backbone = {name for name in before if ".backbone." in name and name.startswith("branches.")}
    assert bool(backbone - frozen) == (freeze != "backbone")
    assert any(".head." in name for name in changed)
    if freeze == "stages:2":
        assert any(".backbone.layer4." in name for name in changed)
    if freeze == "norms":
        assert all("bn" in name or "conv1.1" in name or "conv1.4" in name or "downsample" in name for name in frozen)


@pytest.mark.parametrize("method", METHODS)
def test_frozen_layers_stay_in_evaluation_in_copies_too(method: str) -> None:
    network = deepcopy(make(method, "backbone"))
    assert network.train().training
    modes = {name: module.training for name, module in network.named_modules() if ".backbone." in name}
    assert not any(mode for name, mode in modes.items() if name.startswith("branches."))
    assert all(not p.requires_grad for name, p in network.named_parameters() if name.startswith("branches.depth.back"))


@pytest.mark.parametrize("method", METHODS)
def test_freezing_changes_no_answer(method: str) -> None:
    """The network that shares its frozen trunk answers as one whose branches have equal backbones of their own."""
    frozen, free = make(method, "backbone").eval(), make(method, None).eval()
    weights = frozen.state_dict()
    for name in free.state_dict():
        if ".backbone." in name and name.startswith("branches."):
            weights.setdefault(name, weights["branches.depth." + name.split(".", 2)[2]])
    free.load_state_dict(weights)
    image = torch.rand(1, 3, *SIZE)
    expected = free(image)
    for task, answer in frozen(image).items():
        torch.testing.assert_close(answer, expected[task], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("backbone", "outputs"),
    [
        ("test_resnet", {"age": Pooled(8), "gender": Pooled(2)}),
        ("vit_tiny_patch16_224", {"labels": Dense(13), "depth": Dense(1), "scene": Pooled(8)}),
    ],
)
def test_light_heads_on_a_frozen_backbone_learn_a_tenth_at_most(backbone: str, outputs: Any) -> None:
    network = create_network("single", outputs, backbone, size=SIZE, freeze="backbone", head="linear")
    learning = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert 0 < learning <= 0.1 * sum(p.numel() for p in network.parameters())


def test_what_somebody_who_freezes_should_know() -> None:
    assert make("single", None).weights_report == ""
    random, alone = make("single", "backbone").weights_report.splitlines()
    assert "random weights are frozen" in random
    assert "learn separately" in alone
    assert "learn separately" not in make("hard", "backbone").weights_report


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "small_twins"])
def test_the_frozen_parameters_are_those_that_the_frozen_stage_depends_on(backbone: str) -> None:
    branch = KeepsFrozen()
    with torch.device("meta"):
        branch.backbone = body = Backbone(backbone, size=(64, 64))
    kept: list[Tensor] = []
    handle = body.get_submodule(body.stages[1]).register_forward_hook(lambda module, inputs, y: kept.append(y))
    body(torch.empty(1, 3, *body.size, device="meta"))
    kept[0].sum().backward()
    handle.remove()
    needed = {name for name, parameter in body.named_parameters() if parameter.grad is not None}
    freeze_stages([branch], 2)
    assert {name for name, parameter in body.named_parameters() if not parameter.requires_grad} == needed
    layers, _ = layers_up_to(body, body.stages[1])
    assert {module.training for layer in layers for module in body.get_submodule(layer).modules()} == {False}
    assert branch.train().training


def test_layers_before_a_stage_in_the_order_of_a_forward_pass() -> None:
    body = Backbone("test_resnet")
    ran: list[str] = []
    layers, _ = layers_up_to(body, "layer3.0")
    for name in layers:
        body.get_submodule(name).register_forward_hook(lambda *given, name=name: ran.append(name))
    body.eval()(torch.rand(1, 3, *SIZE))
    assert ran == layers


def test_norms_are_frozen_beside_stages() -> None:
    network = make("afa", "stages:2")
    learning = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    norms = {name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}
    freeze_norms(network)
    left = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert left == {name for name in learning if name.rpartition(".")[0] not in norms or ".backbone." not in name}
    assert left < learning
    for part in (network.train(), network.branches.depth.train()):
        modes = {name: x.training for name, x in part.named_modules() if isinstance(x, nn.BatchNorm2d)}
        assert not any(mode for name, mode in modes.items() if "backbone." in name)
        assert any(mode for name, mode in modes.items() if "backbone." not in name)


@pytest.mark.parametrize(
    ("freeze", "sentence"),
    [
        ("all", "freeze is 'all', expected backbone, stages:N .* heads, task:NAME, or old"),
        ("old", "freeze is 'old', which only a run that starts from another can use"),
        (["heads", "task:c"], "unknown task to freeze 'c'"),
        (["heads", "backbone"], "nothing of the network learns: freeze less"),
        ("stages:0", "freeze is 'stages:0', expected"),
        (2, "freeze is 2, expected"),
        ("stages:4", "'test_resnet' has 4 stages: expected stages:1 to stages:3, or backbone"),
        ("stages:70", "'test_resnet' has 4 stages"),
    ],
)
def test_what_cannot_be_frozen_is_said(freeze: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make("hard", freeze)


def test_a_network_that_has_no_norms_or_nothing_to_learn_is_refused() -> None:
    with pytest.raises(InputError, match="has no batch norm: leave it out"):
        create_network("hard", {"scene": Pooled(2)}, "convnext_atto", size=SIZE, freeze="norms")

    class Plain(Head):
        """The mean of the last features, as it is."""

        output = "pooled"

        def __init__(self, stages: Any, outputs: int) -> None:
            super().__init__()

        def forward(self, features: Any, size: Any) -> Tensor:
            return features[-1].mean((2, 3))

    register_head("plain_mean", Plain)
    with pytest.raises(InputError, match="leaves nothing to learn, because the heads have no parameters"):
        make("hard", "backbone", {"scene": Pooled(512)}, head="plain_mean")
