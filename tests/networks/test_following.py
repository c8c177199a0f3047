"""Values are followed through what moves them, so that a layer's patches are seen where they lie in the picture."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from afanet import CrossStitch, InputError, weave
from afanet.networks.backbones import Backbone
from afanet.networks.layout import Layout
from afanet.networks.record import Record


def layouts(branch: nn.Module, layers: list[str], size: tuple[int, int] = (8, 12)) -> list[Layout | None]:
    record = Record("a", branch, layers, torch.empty(2, 3, *size), FakeTensorMode(allow_non_fake_inputs=True))
    return [record.layout_by_places(layer, None) for layer in layers]


class Attention(nn.Module):
    """A residual block in which all tokens see all, of half of them if `pool`, the larger of each two."""

    def __init__(self, pool: bool = False) -> None:
        super().__init__()
        self.norm, self.linear, self.pool = nn.LayerNorm(4), nn.Linear(4, 4), pool

    def forward(self, x: Tensor) -> Tensor:
        q = self.linear(self.norm(x))
        x = x + nn.functional.scaled_dot_product_attention(q, q, q)
        return x.unflatten(1, (-1, 2)).amax(2) if self.pool else x


class Windows(nn.Module):
    """Tokens of a map in windows of 2x2 pixels, from above to below, after a class token if `token`."""

    def __init__(self, token: bool = False) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 4, 2, 2)
        self.token = nn.Parameter(torch.zeros(1, 1, 4)) if token else None
        self.order = nn.Identity()
        self.block = Attention()
        self.pool = Attention(pool=True)
        self.sums = nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        x = self.embed(image)
        batch, channels, height, width = x.shape
        x = (
            x.view(batch, channels, height // 2, 2, width // 2, 2)
            .permute(0, 4, 2, 5, 3, 1)
            .reshape(batch, -1, channels)
        )
        if self.token is not None:
            return self.block(torch.cat([self.token.expand(len(x), -1, -1), x], 1)).mean(1)
        return self.sums(self.pool(self.block(self.order(x))).cumsum(1)).mean(1)


def test_patches_in_windows_are_seen_where_they_lie() -> None:
    order, block, pool, sums = layouts(Windows(), ["order", "block", "pool", "sums"])
    assert order == block
    assert order is not None
    assert (order.prefix, order.grid) == (0, (4, 6))
    image = torch.rand(1, 3, 8, 12)
    network = Windows()
    tokens: list[Tensor] = []
    network.order.register_forward_hook(lambda *call: tokens.append(call[2]))
    network(image)
    assert torch.equal(order.enter(tokens[0]), network.embed(image))
    assert pool is not None
    assert pool.grid == (2, 6)
    assert sums is None
    (block,) = layouts(Windows(token=True), ["block"])
    assert block == Layout("BNC", 1, (4, 6), windows=order.windows)


def test_both_ways_to_learn_where_patches_lie_agree() -> None:
    with torch.device("meta"):
        body = Backbone("hiera_tiny_224", size=(64, 96))
    branch = timm.create_model("hiera_tiny_224", img_size=(64, 96), num_classes=0)
    names = ["blocks.0", "blocks.2", "blocks.9", "blocks.11"]
    assert [{None: layout} for layout in layouts(branch, names, (64, 96))] == [
        body.layouts[f"model.{name}"] for name in names
    ]


def test_branches_of_others_meet_in_windows_and_other_grids_of_as_many_patches_are_refused() -> None:
    woven = weave({"a": Windows(), "b": Windows()}, ["block", "pool"], CrossStitch, example=(1, 3, 8, 12)).eval()
    assert woven.fusion.block.size == (4, 6)
    for name, layer in list(woven.fusion.named_children()):
        woven.fusion.set_submodule(name, Same(layer))
    image = torch.rand(2, 3, 8, 12)
    assert torch.equal(woven(image)["a"], woven.branches.a(image))
    with pytest.raises(InputError, match="12x8 has another grid of tokens than 4x6"):
        woven(torch.rand(2, 3, 12, 8))


class Same(nn.Module):
    """Fuses nothing."""

    def __init__(self, _: nn.Module) -> None:
        super().__init__()

    def forward(self, xs: list[Tensor], prefix: list[Tensor] | None = None) -> list[Tensor]:
        return [*xs, *(prefix or [])]
