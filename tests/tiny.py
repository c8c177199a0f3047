"""Fixtures of small recipes and networks; only a test that asks imports what is heavy, not the controller of xdist."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from torch import nn

    from afanet.networks.outputs import Output
    from afanet.recipe.schema import Recipe


@pytest.fixture
def tiny_network() -> Callable[[dict[str, Output]], nn.Module]:
    """Makes tiny networks."""
    from .small import TinyNetwork

    return TinyNetwork


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tiny_network: Callable[[dict[str, Output]], nn.Module]) -> None:
    """Runs of this test train a `TinyNetwork` whatever the recipe's network."""

    def create(method: str, outputs: dict[str, Output], *arguments: Any, **options: Any) -> nn.Module:
        return tiny_network(outputs)

    monkeypatch.setattr("afanet.runs.setup.create_network", create)


@pytest.fixture
def small() -> Callable[..., Recipe]:
    """Makes recipes of moments, with overrides."""
    from .small import make_small

    return make_small


@pytest.fixture
def recipe(small: Callable[..., Recipe]) -> Recipe:
    """A recipe of moments."""
    return small()
