"""Which layers get adapters is read from what a backbone does, not from its layers' names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.networks.backbones import Backbone
from afanet.networks.lora.layers import Adaptable, adaptable


class Odd(nn.Module):
    """Attention of layers whose names say nothing, with a bias from positions, a layer that is read, one unused."""

    def __init__(self, weigh: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.weigh = weigh
        self.red, self.green, self.unused = nn.Linear(8, 24), nn.Linear(8, 8), nn.Linear(8, 8)
        self.positions = nn.Linear(1, 8)
        self.register_buffer("steps", torch.linspace(0, 1, 4)[:, None])

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.positions(self.steps).mean()
        q, k, v = F.linear(x, self.red.weight).chunk(3, -1)
        return self.green(self.weigh(q, k, v))


class Body(nn.Module):
    """Odd attention, then what is no attention: a gate, a standardised and a grouped convolution."""

    def __init__(self, weigh: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.mixing = Odd(weigh)
        self.gate = nn.Conv2d(8, 8, 1)
        self.plain = nn.Conv2d(8, 8, 3, padding=1)
        self.grouped = nn.Conv2d(8, 8, 1, groups=4)
        self.standard = Standardised(8, 8, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        x = self.mixing(x.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, (2, 2))
        return self.standard(self.grouped(self.plain(x * self.gate(x).sigmoid())))


class Standardised(nn.Conv2d):
    """A convolution whose output is not linear in its weight."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight / self.weight.std(), self.bias)


def by_product(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return q @ k.mT @ v


def by_einsum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.einsum("bij,bjc->bic", torch.einsum("bic,bjc->bij", q, k), v)


def by_softmax(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return q.softmax(1) * k + v


@pytest.mark.parametrize("weigh", [F.scaled_dot_product_attention, by_product, by_einsum, by_softmax])
def test_attention_is_what_weighs_values_by_values(weigh: Callable[..., Tensor]) -> None:
    body = Body(weigh).requires_grad_(False)
    inside = adaptable(body, "body", "attention", (1, 3, 8, 8))
    assert inside == Adaptable(["mixing.green"], ["mixing.red"])
    everything = adaptable(body, "body", "all", (1, 3, 8, 8))
    assert everything == Adaptable(["mixing.green", "mixing.positions", "gate"], ["mixing.red"])


@pytest.mark.parametrize(
    ("name", "attention", "count"),
    [
        ("test_maxvit", {"qkv", "proj"}, 16),
        ("pvt_v2_b0", {"q", "kv", "proj"}, 24),
    ],
)
def test_the_projections_of_known_attentions(name: str, attention: set[str], count: int) -> None:
    layers = adaptable(Backbone(name, size=(64, 64)).requires_grad_(False), name, "attention", (1, 3, 64, 64))
    assert {path.rpartition(".")[2] for path in layers.all} == attention
    assert len(layers.called) == count
    assert layers.read == []


def test_looking_leaves_a_backbone_as_it_was() -> None:
    backbone = Backbone("test_resnet").requires_grad_(False).train()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    adaptable(backbone, "test_resnet", "all", (1, 3, 64, 64))
    assert backbone.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in backbone.modules())


@pytest.mark.parametrize(
    ("body", "where", "said"),
    [
        (nn.Sequential(nn.Conv2d(3, 8, 3), Standardised(8, 8, 1)), "all", "'it' has no linear layer and no 1x1 conv"),
        (nn.Sequential(nn.Conv2d(3, 8, 1)), "attention", "'it' has no attention.*: expected network.lora.where all"),
        (nn.Sequential(nn.Conv2d(4, 8, 1)), "all", r"'it' fails on images of 8x8 \(.*4 channels.*\)"),
    ],
)
def test_where_there_is_nothing_to_adapt_a_sentence_says_so(body: nn.Module, where: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        adaptable(body.requires_grad_(False), "it", where, (1, 3, 8, 8))
