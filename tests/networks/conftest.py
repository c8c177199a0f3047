"""Small networks for the tests to weave and to freeze, and the same start for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from timm.models import register_model
from timm.models.twins import Twins, _create_twins
from torch import Tensor, nn


class Classifier(nn.Module):
    """Three layers and a linear head."""

    def __init__(self, outputs: int, channels: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, 2, 1), nn.BatchNorm2d(channels), nn.ReLU())
        self.middle = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1), nn.ReLU(), nn.Dropout(0.2))
        self.last = nn.Sequential(nn.Conv2d(channels, channels, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(channels, outputs)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.last(self.middle(self.stem(image))).mean((2, 3)))


@register_model
def small_twins(pretrained: bool = False, **options: Any) -> Twins:
    """Layers in another order than that of their definition."""
    shape = {"embed_dims": (8,) * 4, "num_heads": (1,) * 4, "depths": (1, 2, 1, 1), "wss": (7,) * 4}
    return _create_twins("small_twins", pretrained, **shape | {"mlp_ratios": (1,) * 4} | options)


@pytest.fixture
def classifier() -> Callable[..., nn.Module]:
    """A small classifier, by its number of outputs (and channels)."""
    return Classifier


@pytest.fixture(autouse=True)
def _fresh_start() -> Iterator[None]:
    """Every test starts at one seed, and leaves nothing compiled behind."""
    torch.manual_seed(0)
    yield
    torch._dynamo.reset()
