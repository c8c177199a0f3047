"""The frozen trunk of all tasks: it computes once, and the rest of a network answers from what it gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.networks import Dense, Pooled, Woven, create_network
from afanet.networks.trunk import Trunk

SIZE = (32, 48)
OUTPUTS = {"depth": Dense(1), "labels": Dense(3), "scene": Pooled(4)}


def make(method: str, freeze: str | None) -> Woven:
    torch.manual_seed(0)
    return create_network(method, OUTPUTS, "test_resnet", size=SIZE, freeze=freeze, head="linear")


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
    torch.stack([x.square().mean() for x in answers.values()]).sum().backward()
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


@pytest.mark.parametrize("method", ["single", "hard", "cross_stitch", "afa"])
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


def test_features_of_layers_in_another_order_than_that_of_their_definition() -> None:
    network = create_network("hard", {"scene": Pooled(3)}, "small_twins", size=(64, 64), freeze="stages:2").eval()
    images = torch.rand(2, 3, 64, 64)
    assert network.trunk
    expected, features = network(images)["scene"], network.trunk.features(network, images)
    with network.trunk.given(network, features):
        torch.testing.assert_close(network(torch.zeros_like(images))["scene"], expected, rtol=1e-5, atol=1e-6)
        with pytest.raises(RuntimeError, match="is replaced already"), network.trunk.given(network, features):
            pass


class Windows(nn.Module):
    """The halves of each map as rows of their own, and in a dict its mean, its size and what else is given."""

    def __init__(self, more: Any = ()) -> None:
        super().__init__()
        self.more = more

    def forward(self, x: Tensor) -> Any:
        halves = torch.stack(x.chunk(2, -1), 1).flatten(0, 1)
        return [halves, {"mean": x.mean((1, 2, 3)), "size": (*x.shape[-2:],), "more": self.more}]


class Rest(nn.Module):
    def forward(self, windows: Any) -> Tensor:
        halves, more = windows
        height, width = more["size"]
        x = torch.cat([*halves.unflatten(0, (-1, 2)).unbind(1)], -1)
        return x.sum((1, 2, 3)) / (height * width) + more["mean"]


def test_features_are_kept_by_image_whatever_holds_them() -> None:
    """Several tensors and sizes, and rows of parts of images; for any number of images."""
    network, images = nn.Sequential(nn.Conv2d(3, 4, 1), Windows(), Rest()), torch.rand(6, 3, 4, 8)
    expected, trunk = network(images).detach(), Trunk(["0", "1"], ["1"])
    features = trunk.features(network, images[:2])
    assert {name: x.shape for name, x in features.items()} == {"0.0": (2, 2, 4, 4, 4), "0.1": (2,)}
    features = {name: torch.cat([x, trunk.features(network, images[2:])[name]]) for name, x in features.items()}
    with trunk.given(network, features):
        torch.testing.assert_close(network(torch.zeros_like(images)), expected)


@pytest.mark.parametrize("odd", [torch.rand(3), torch.tensor(1.0), object()])
def test_what_cannot_be_kept_by_image_is_refused(odd: Any) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), Windows(odd), Rest())
    with pytest.raises(InputError, match=r"layer '1' outputs a list, of which no features can be kept: freeze"):
        Trunk(["0", "1"], ["1"]).features(network, torch.rand(2, 3, 4, 8))


def test_attention_into_every_stage_has_no_trunk() -> None:
    assert make("mtan", "backbone").trunk is None
    assert make("hard", None).trunk is None
    assert make("hard", "norms").trunk is None
