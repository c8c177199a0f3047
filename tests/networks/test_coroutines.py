"""Branches that cannot be traced are woven as they are: each runs its own forward, and stops where they meet."""

from __future__ import annotations

import copy
from functools import cache

import pytest
import timm
import torch
from torch import Tensor, nn

from afanet import AFA, weave
from afanet.networks import Woven
from afanet.networks.coroutines import Coroutines

pytest.importorskip("greenlet")
SHAPE = (1, 3, 32, 32)


class Same(nn.Module):
    """Fuses nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        return xs


def vit(outputs: int, **options: object) -> nn.Module:
    """A small transformer whose positions follow the image, which no symbolic trace can do."""
    options = {"img_size": 32, "patch_size": 8, "depth": 3, "embed_dim": 24, "num_heads": 2} | options
    return timm.create_model("vit_tiny_patch16_224", num_classes=outputs, dynamic_img_size=True, **options)


@cache
def woven_vit() -> Woven:
    torch.manual_seed(0)
    return weave({"age": vit(8), "mood": vit(2)}, ["blocks.2", "blocks.0"], AFA, example=SHAPE).eval()


@pytest.fixture
def woven() -> Woven:
    return copy.deepcopy(woven_vit())


def test_a_transformer_of_any_image_size_is_woven_by_coroutines(woven: Woven) -> None:
    assert all(isinstance(program, Coroutines) for program in woven.programs.values())
    assert [woven.get_submodule(f"fusion.blocks.{i}").size for i in (0, 2)] == [(4, 4), (4, 4)]
    for size in ((32, 32), (40, 24), (24, 40)):
        assert {task: tuple(y.shape) for task, y in woven(torch.rand(2, 3, *size)).items()} == {
            "age": (2, 8),
            "mood": (2, 2),
        }
    assert "after branches.age.blocks.0, branches.mood.blocks.0: fusion.blocks.0\n" in woven.code


def test_without_exchange_the_outputs_are_the_branches_own_bit_for_bit(woven: Woven) -> None:
    for name in ("fusion.blocks.0", "fusion.blocks.2"):
        woven.set_submodule(name, Same())
    image = torch.rand(2, 3, 32, 32)
    for task, output in woven(image).items():
        assert torch.equal(output, woven.branches.get_submodule(task)(image))
