"""Which parameters are shared, for every method of the table of networks and for networks of any kind."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from afanet import InputError, Pooled, create_network
from afanet.training.balancing.shared import shared_parameters

OUTPUTS = {"age": Pooled(3), "scene": Pooled(2)}


@cache
def network_of(method: str) -> nn.Module:
    torch.manual_seed(0)
    return create_network(method, OUTPUTS, "test_resnet", size=(32, 32)).train()


def names(network: nn.Module, parameters: list[nn.Parameter]) -> set[str]:
    return {name for name, parameter in network.named_parameters() if any(parameter is other for other in parameters)}


def test_alone_nothing_is_shared() -> None:
    network = network_of("single")
    shared, own = shared_parameters(network, list(OUTPUTS), (32, 32))
    assert shared == []
    for task in OUTPUTS:
        assert names(network, own[task]) == {n for n, _ in network.named_parameters() if f".{task}." in n}


def test_hard_sharing_shares_the_backbone() -> None:
    network = network_of("hard")
    shared, own = shared_parameters(network, list(OUTPUTS), (32, 32))
    assert names(network, shared) == {n for n, _ in network.named_parameters() if ".backbone." in n}
    for task in OUTPUTS:
        assert names(network, own[task]) == {n for n, _ in network.named_parameters() if f"{task}.head." in n}


@pytest.mark.parametrize("method", ["cross_stitch", "nddr", "afa"])
def test_where_branches_meet_all_before_is_shared(method: str) -> None:
    network = network_of(method)
    shared, own = shared_parameters(network, list(OUTPUTS), (32, 32))
    both = names(network, shared)
    assert all(name in both for name, _ in network.named_parameters() if ".backbone.model.conv1" in name)
    for task in OUTPUTS:
        assert {n for n, _ in network.named_parameters() if f"{task}.head." in n} <= names(network, own[task])


@pytest.mark.parametrize("method", ["hard", "afa"])
def test_it_is_what_the_losses_reach(method: str) -> None:
    network = network_of(method)
    shared, own = shared_parameters(network, list(OUTPUTS), (32, 32))
    outputs = network.eval()(torch.rand(1, 3, 32, 32))
    parameters = list(network.parameters())
    reached = {}
    for task in OUTPUTS:
        actual = torch.autograd.grad(outputs[task].sum(), parameters, retain_graph=True, allow_unused=True)
        reached[task] = [gradient is not None for gradient in actual]
    for parameter, *by in zip(parameters, *reached.values(), strict=True):
        assert any(parameter is other for other in shared) == all(by)
        for task, is_reached in zip(OUTPUTS, by, strict=True):
            assert any(parameter is other for other in own[task]) == (is_reached and not all(by))


def test_nothing_is_changed() -> None:
    network = network_of("afa")
    network.get_submodule("fusion").eval()
    modes = [module.training for module in network.modules()]
    before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    shared_parameters(network, list(OUTPUTS), (32, 32))
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in network.parameters())


class Odd(nn.Module):
    """Draws in its forward, has a frozen layer, one that only the third task reaches, and one that none does."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.frozen, self.idle = (
            nn.Conv2d(3, 2, 1),
            nn.Conv2d(2, 2, 1).requires_grad_(False),
            nn.Linear(1, 1),
        )
        self.heads = nn.ModuleDict({task: nn.Conv2d(2, 1, 1) for task in "abc"})

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = self.frozen(self.trunk(image)) + torch.rand(())
        return {task: head(x.detach() if task == "c" else x) for task, head in self.heads.items()}


def test_frozen_and_unreached_parameters_are_in_no_list() -> None:
    network, state = Odd(), torch.get_rng_state()
    shared, own = shared_parameters(network, ["a", "c"], (4, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert shared == []
    assert names(network, own["a"]) == {"trunk.weight", "trunk.bias", "heads.a.weight", "heads.a.bias"}
    assert names(network, own["c"]) == {"heads.c.weight", "heads.c.bias"}
    assert names(network, shared_parameters(network, ["a", "b", "c"], (4, 4))[0]) == {"trunk.weight", "trunk.bias"}


def test_a_task_without_output_is_named() -> None:
    with pytest.raises(InputError, match="unknown output of the network 'scenes', did you mean 'scene'"):
        shared_parameters(network_of("hard"), ["scenes"], (32, 32))


def test_balancing_is_public_and_needs_neither_lightning_nor_torchjd() -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(('lightning', 'torchjd', 'torchmetrics', 'pydantic', 'rich'))\n"
        "import afanet, torch\n"
        "print(afanet.Balancer('equal', ['a', 'b']).combine(torch.tensor([1.0, 2.5])).item(), afanet.shared_parameters)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("3.5 <function shared_parameters"), done.stderr
