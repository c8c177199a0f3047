"""What weaving learns on fake tensors stays in no cache of a network."""

from __future__ import annotations

import logging
from functools import lru_cache, wraps

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from afanet import AFA, InputError, weave
from afanet.networks.contents import parts_of
from afanet.networks.undisturbed import undisturbed

MADE: dict[int, Tensor] = {}


@lru_cache(maxsize=4)
def by_function(size: int) -> Tensor:
    return torch.full((size,), 0.5)


def cached_inside(function):
    inner = lru_cache(function)
    return wraps(function)(lambda *args: inner(*args))


@cached_inside
def by_decorator(size: int) -> list[Tensor]:
    return [torch.full((size,), 0.5)]


class Keeps(nn.Module):
    """Adds what it computes once for a size, and keeps in one of many ways."""

    def __init__(self, keep: str) -> None:
        super().__init__()
        self.keep = keep
        self.cache: dict[str, dict[int, Tensor]] = {"by size": {}}
        self.made: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-1]
        if self.keep == "list":
            if not self.made:
                self.made.append(torch.full((size,), 0.5))
            return x + self.made[0]
        if self.keep == "lru_cache":
            return x + by_function(size)
        if self.keep == "decorator":
            return x + by_decorator(size)[0]
        if self.keep == "method":
            return x + self.by_method(size)
        kept = self.cache["by size"] if self.keep == "dict" else MADE
        if size not in kept:
            kept[size] = torch.full((size,), 0.5)
        return x + kept[size]

    @staticmethod
    @lru_cache
    def by_method(size: int) -> Tensor:
        return torch.full((size,), 0.5)


@pytest.mark.parametrize("keep", ["dict", "list", "global dict", "lru_cache", "decorator", "method"])
def test_a_network_that_keeps_what_it_computed_gives_plain_tensors_after_weaving(keep: str) -> None:
    branches = {task: nn.Sequential(nn.Conv2d(3, 4, 1), Keeps(keep), nn.Conv2d(4, 2, 1)) for task in "ab"}
    network = weave(branches, ["1"], AFA, example=(1, 3, 8, 8))
    outputs = network(torch.rand(2, 3, 8, 8))
    assert not any(isinstance(part, FakeTensor) for _, part in parts_of(outputs))
    assert torch.isfinite(outputs["a"]).all()


def test_what_was_kept_before_is_kept_in_the_same_dict() -> None:
    module = Keeps("dict")
    module(torch.rand(1, 4))
    cache, inner = module.cache, module.cache["by size"]
    kept = dict(inner)
    with undisturbed(module), FakeTensorMode():
        module(torch.empty(1, 5))
        assert set(inner) == {4, 5}
    assert module.cache is cache
    assert cache["by size"] is inner
    assert inner.keys() == kept.keys()
    assert inner[4] is kept[4]


class TooNarrow(nn.Module):
    """A layer for other features than it gets."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()
        self.conv = nn.Conv2d(5, 4, 1)

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        return [self.conv(x) for x in xs]


def test_a_failure_on_fake_tensors_is_said_in_a_sentence_and_not_logged() -> None:
    logged: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = logged.append  # type: ignore[method-assign]
    log = logging.getLogger("torch._subclasses.fake_tensor")
    log.addHandler(handler)
    try:
        branches = {task: nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)) for task in "ab"}
        with pytest.raises(InputError, match="the woven network fails on images of 3x8x8"):
            weave(branches, ["1"], TooNarrow, example=(1, 3, 8, 8))
    finally:
        log.removeHandler(handler)
    assert not logged
