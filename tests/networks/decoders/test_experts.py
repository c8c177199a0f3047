"""Mixtures of experts: the formula, and what they are with gates that always say the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from afanet import Dense, create_network
from afanet.networks.decoders.cgc import CGC, SHARED
from afanet.networks.decoders.decoder import Decoder
from afanet.networks.decoders.experts import Gate
from afanet.networks.decoders.mmoe import MMoE
from afanet.networks.woven import Woven

from .conftest import STAGES, TASKS
from .maths import resized

OUTPUTS = {"depth": Dense(1), "normals": Dense(3)}
SIZE = (32, 48)


def shares(image: Tensor, gate: nn.Module) -> Tensor:
    """The softmax of a linear layer over all values of the image."""
    scores = (image.flatten(1)[:, None] * gate.weigh.weight).sum(2) + gate.weigh.bias
    powers = scores.exp()
    return powers / powers.sum(1, keepdim=True)


def make(method: str) -> Woven:
    torch.manual_seed(0)
    return create_network(method, OUTPUTS, "test_resnet", size=SIZE).eval()


def always(network: Woven, scores: list[list[float]]) -> None:
    """Let the gates say the same for all images."""
    for task, values in zip(OUTPUTS, scores, strict=True):
        gate = network.fusion.get_submodule(f"{task}.gate").weigh
        nn.init.zeros_(gate.weight)
        gate.bias.data = torch.tensor(values)


@pytest.mark.parametrize("size", [(32, 48), (40, 72)])
def test_a_gate_is_a_softmax_over_the_image_at_the_size_that_it_was_made_for(size: tuple[int, int]) -> None:
    gate, image = Gate(3, (32, 48), experts=4).double(), torch.randn(2, 3, *size).double()
    assert_close(gate(image), shares(resized(image, (32, 48)), gate))


def test_mmoe_is_its_formula(decoder: Callable[..., Decoder], maps: list[Tensor]) -> None:
    layer, image = decoder(MMoE), torch.randn(2, 3, 32, 48).double()
    experts = [[(k + 1) * x.roll(k, 0) for x in maps] for k in range(len(TASKS))]
    mixed, early = layer(image, experts)
    for task in TASKS:
        g = shares(image, layer.layer(f"{task}.gate"))
        for stage in range(len(STAGES)):
            expected = sum(g[:, k, None, None, None] * experts[k][stage] for k in range(len(TASKS)))
            assert_close(mixed[task][stage], expected)
        assert early[task] == []


def test_cgc_is_its_formula(maps: list[Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    network = make("cgc").double()
    image = torch.randn(1, 3, *SIZE).double()
    got: dict[str, Tensor] = {}
    for task in OUTPUTS:
        head = network.branches.get_submodule(f"{task}.head")
        head.register_forward_hook(lambda module, args, output, task=task: got.update({task: args[0]}))
    network(image)
    shared = network.fusion.get_submodule(SHARED)(image)
    for task in OUTPUTS:
        own = network.branches.get_submodule(f"{task}.backbone")(image)
        g = shares(image, network.fusion.get_submodule(f"{task}.gate"))[0]
        assert_close(list(got[task]), [g[0] * shared[i] + g[1] * own[i] for i in (0, -1)])


@pytest.mark.parametrize(("method", "scores"), [("mmoe", [[500.0, 0.0], [0.0, 500.0]]), ("cgc", [[0.0, 500.0]] * 2)])
def test_with_gates_that_take_a_tasks_own_expert_alone_it_is_a_network_for_each_task(
    method: str, scores: list[list[float]]
) -> None:
    network, image = make(method), torch.rand(2, 3, 43, 48)
    always(network, scores)
    single = make("single")
    single.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("fusion.")})
    for task, expected in single(image).items():
        assert torch.equal(network(image)[task], expected)


def test_with_gates_that_take_the_shared_expert_alone_cgc_is_hard_sharing() -> None:
    network, image = make("cgc"), torch.rand(2, 3, 43, 48)
    always(network, [[500.0, 0.0]] * 2)
    hard = make("hard")
    state = {k: v for k, v in network.state_dict().items() if ".head." in k}
    expert = network.fusion.get_submodule(SHARED).state_dict()
    hard.load_state_dict(state | {f"branches.depth.backbone.{name}": x for name, x in expert.items()})
    for task, expected in hard(image).items():
        assert torch.equal(network(image)[task], expected)


def test_who_learns_from_whom() -> None:
    for method, expected in {"mmoe": {"depth", "normals"}, "cgc": {"depth"}}.items():
        network = make(method)
        network(torch.rand(1, 3, *SIZE))["depth"].square().mean().backward()
        learning = {name for name, p in network.named_parameters() if p.grad is not None and ".backbone." in name}
        assert {name.split(".")[1] for name in learning if name.startswith("branches.")} == expected
        assert any(name.startswith(f"fusion.{SHARED}") for name in learning) == (method == "cgc")


def test_each_expert_has_parameters_of_its_own() -> None:
    network = make("cgc")
    bodies = [CGC(network.branches.depth.backbone, OUTPUTS, SIZE).layer(SHARED), network.branches.depth.backbone]
    pairs = zip(*(body.state_dict().items() for body in bodies), strict=True)
    for (name, ours), (other, theirs) in pairs:
        assert name == other
        assert torch.equal(ours, theirs)
        assert ours.data_ptr() != theirs.data_ptr()
