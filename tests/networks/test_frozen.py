"""Frozen parts: they learn nothing, stay in evaluation, and compute once for all tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.networks import Dense, Head, Pooled, Woven, create_network, register_head
from afanet.networks.backbones import Backbone
from afanet.networks.frozen import KeepsFrozen, freeze_branches, layers_up_to

SIZE = (32, 48)
OUTPUTS = {"depth": Dense(1), "labels": Dense(3), "scene": Pooled(4)}
METHODS = ["single", "hard", "mtan", "cross_stitch", "afa"]


def make(method: str, freeze: str | None, outputs: Any = OUTPUTS, **options: Any) -> Woven:
    torch.manual_seed(0)
    return create_network(method, outputs, "resnet10t", size=SIZE, freeze=freeze, **options)


def total(outputs: dict[str, Tensor]) -> Tensor:
    return torch.stack([x.square().mean() for x in outputs.values()]).sum()


@contextmanager
def calls(network: nn.Module) -> Iterator[Counter[str]]:
    """How often each layer of a backbone runs, whichever branch it belongs to, and whether its output has a graph."""
    counted: Counter[str] = Counter()
    handles = []
    for name, module in network.named_modules():
        if ".backbone." in name and name.startswith("branches."):
            layer = name.partition(".backbone.")[2]

            def count(module: nn.Module, inputs: Any, output: Tensor, layer: str = layer) -> None:
                counted[layer] += 1
                counted[f"{layer} with a graph"] += output.grad_fn is not None

            handles.append(module.register_forward_hook(count))
    yield counted
    for handle in handles:
        handle.remove()


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


@pytest.mark.parametrize(
    ("method", "freeze", "once", "thrice"),
    [
        ("single", "backbone", ["conv1", "layer1", "layer2", "layer4"], []),
        ("single", "stages:2", ["conv1", "layer2"], ["layer3", "layer4"]),
        ("hard", "stages:2", ["conv1", "layer2", "layer4"], []),
        ("afa", "backbone", ["conv1", "layer3", "layer4.0"], []),
        ("afa", "stages:2", ["conv1", "layer2"], ["layer3", "layer4.0"]),
        ("cross_stitch", "backbone", ["conv1", "layer1"], ["layer2", "layer4"]),
    ],
)
def test_a_frozen_trunk_computes_once_for_all_tasks(
    method: str, freeze: str, once: list[str], thrice: list[str]
) -> None:
    network = make(method, freeze).train()
    with calls(network) as counted:
        network(torch.rand(2, 3, *SIZE))
    assert {layer: counted[layer] for layer in once + thrice} == dict.fromkeys(once, 1) | dict.fromkeys(thrice, 3)
    trunk = once if method != "hard" else once[:2]
    assert not any(counted[f"{layer} with a graph"] for layer in trunk)


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


@pytest.mark.parametrize("method", [method for method in METHODS if method != "mtan"])
@pytest.mark.parametrize("freeze", ["backbone", "stages:1", "stages:2"])
def test_the_rest_answers_from_features_as_from_images(method: str, freeze: str) -> None:
    network = make(method, freeze).eval()
    image = torch.rand(2, 3, *SIZE)
    assert network.trunk
    expected, features = network(image), network.trunk.features(network, image)
    with network.trunk.given(network, features), calls(network) as counted:
        answers = network(image.new_zeros(()).expand(image.shape))
    for task, answer in answers.items():
        torch.testing.assert_close(answer, expected[task], rtol=1e-5, atol=1e-6)
    assert "conv1.0" not in counted
    assert torch.equal(network(image)["depth"], expected["depth"])  # computes again afterwards
    swapped = {name: x.flip(0) for name, x in features.items()}
    with network.trunk.given(network, swapped):
        torch.testing.assert_close(network(image)["scene"].flip(0), expected["scene"], rtol=1e-5, atol=1e-6)


def test_attention_into_every_stage_has_no_trunk() -> None:
    assert make("mtan", "backbone").trunk is None
    assert make("hard", None).trunk is None
    assert make("hard", "norms").trunk is None


@pytest.mark.parametrize(
    ("backbone", "outputs"),
    [
        ("resnet10t", {"age": Pooled(8), "gender": Pooled(2)}),
        ("vit_small_patch16_224", {"labels": Dense(13), "depth": Dense(1), "scene": Pooled(8)}),
    ],
)
def test_light_heads_on_a_frozen_backbone_learn_a_tenth_at_most(backbone: str, outputs: Any) -> None:
    network = create_network("single", outputs, backbone, size=SIZE, freeze="backbone", head="linear")
    learning = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert 0 < learning <= 0.1 * sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("method", "freeze", "once", "twice"),
    [
        ("afa", "backbone", [0, 3, 4], [5]),
        ("single", "stages:2", [0, 1, 2], [3, 5]),
        ("cross_stitch", "backbone", [0], [1, 5]),
    ],
)
def test_branches_that_cannot_be_traced_compute_a_frozen_trunk_once_too(
    method: str, freeze: str, once: list[int], twice: list[int]
) -> None:
    pytest.importorskip("greenlet")
    outputs = {"labels": Dense(3), "depth": Dense(1)}
    torch.manual_seed(0)
    network = create_network(method, outputs, "test_vit", size=SIZE, freeze=freeze, head="linear").train()
    assert network.trunk is not None
    ran: Counter[int] = Counter()
    blocks = {f"branches.{task}.backbone.model.blocks.{i}.mlp": i for task in outputs for i in range(6)}
    parts = dict.fromkeys(network.get_submodule(path) for path in blocks)
    numbers = {network.get_submodule(path): i for path, i in blocks.items()}
    handles = [part.register_forward_hook(lambda module, *_: ran.update([numbers[module]])) for part in parts]
    image = torch.rand(2, 3, *SIZE)
    for _ in range(2):
        ran.clear()
        answers = network(image)
        assert {i: ran[i] for i in once + twice} == dict.fromkeys(once, 1) | dict.fromkeys(twice, 2)
    total(answers).backward()
    assert all((p.grad is not None) == p.requires_grad for p in network.parameters())
    for handle in handles:
        handle.remove()
    expected = network.eval()(image)
    free = create_network(method, outputs, "test_vit", size=SIZE, head="linear").eval()
    weights = network.state_dict()
    for name in free.state_dict():
        if name not in weights:
            weights[name] = weights["branches.labels." + name.split(".", 2)[2]]
    free.load_state_dict(weights)
    for task, answer in free(image).items():
        torch.testing.assert_close(answer, expected[task], rtol=1e-5, atol=1e-6)
    assert network.trunk
    with network.trunk.given(network, network.trunk.features(network, image)):
        for task, answer in network(torch.zeros_like(image)).items():
            torch.testing.assert_close(answer, expected[task], rtol=1e-5, atol=1e-6)


def test_what_somebody_who_freezes_should_know() -> None:
    assert make("single", None).weights_report == ""
    random, alone = make("single", "backbone").weights_report.splitlines()
    assert "random weights are frozen" in random
    assert "learn alone" in alone
    assert "learn alone" not in make("hard", "backbone").weights_report


def test_layers_before_a_stage_in_the_order_of_a_forward_pass() -> None:
    body = Backbone("resnet10t")
    ran: list[str] = []
    layers, _ = layers_up_to(body, "layer3.0")
    for name in layers:
        body.get_submodule(name).register_forward_hook(lambda *given, name=name: ran.append(name))
    body.eval()(torch.rand(1, 3, *SIZE))
    assert ran == layers


@pytest.mark.parametrize("backbone", ["resnet10t", "test_vit", pytest.param("twins_svt_small", marks=pytest.mark.slow)])
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
    freeze_branches([branch], "stages:2", 2)
    assert {name for name, parameter in body.named_parameters() if not parameter.requires_grad} == needed
    assert all(
        not module.training for name, module in body.named_modules() if name in layers_up_to(body, body.stages[1])[0]
    )


@pytest.mark.slow
def test_features_of_layers_in_another_order_than_that_of_their_definition() -> None:
    network = create_network("hard", {"scene": Pooled(3)}, "twins_svt_small", size=(64, 64), freeze="stages:2").eval()
    images = torch.rand(1, 3, 64, 64)
    assert network.trunk
    expected, features = network(images)["scene"], network.trunk.features(network, images)
    with network.trunk.given(network, features):
        torch.testing.assert_close(network(torch.zeros_like(images))["scene"], expected, rtol=1e-5, atol=1e-6)
        with pytest.raises(RuntimeError, match="is replaced already"), network.trunk.given(network, features):
            pass


@pytest.mark.parametrize(
    ("freeze", "sentence"),
    [
        ("all", "freeze is 'all', expected backbone, stages:N .*: heads always learn"),
        ("stages:0", "freeze is 'stages:0', expected"),
        (2, "freeze is 2, expected"),
        ("stages:4", "'resnet10t' has 4 stages: expected stages:1 to stages:3, or backbone"),
        ("stages:70", "'resnet10t' has 4 stages"),
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
