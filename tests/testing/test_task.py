"""The checks of a kind of task pass for ours, and fail for one that breaks a promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from afanet.tasks import KINDS, Depth, Kind
from afanet.testing.task import check_task


@pytest.mark.parametrize("name", list(KINDS))
def test_our_kinds_pass(name: str) -> None:
    check_task(KINDS[name])


def _broken(**methods: Callable[..., Any]) -> Kind:
    """Depth with some of its methods replaced."""
    task: Any = type("Broken", (Depth,), methods)

    class Column(KINDS["depth"].column_class):  # type: ignore[misc, name-defined]
        def task(self, name: str) -> Depth:
            made: Depth = task(self.max, name)
            return made

    return Kind(task, Column, KINDS["depth"].result)


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({"loss": lambda self, logits, target, across=None: logits.sum() * torch.nan}, "one finite number"),
        ({"loss": lambda self, logits, target, across=None: logits.sum()}, "0 where nothing is labelled"),
        ({"predict": lambda self, logits: logits[:, 0]}, "predictions have a target's shape"),
        ({"labelled": lambda self, target: torch.ones_like(target, dtype=torch.bool)}, "nothing is labelled"),
        ({"higher_is_better": {"abs": True}}, "metrics are those of higher_is_better"),
        ({"picture": lambda self, value: value.numpy()}, r"a picture is \(H, W, 3\) uint8"),
        ({"estimate": lambda self, logits: logits + torch.rand(())}, "the same estimates"),
        ({"main_metric": "miou"}, "main_metric is one of higher_is_better"),
        ({"change": lambda self, before, after: ""}, "change"),
    ],
)
def test_a_broken_promise_is_named(methods: dict[str, Any], said: str) -> None:
    if isinstance(better := methods.get("higher_is_better"), dict):
        methods = {"__init__": _init(better)}
    with pytest.raises(AssertionError, match=said):
        check_task(_broken(**methods))


def _init(better: dict[str, bool]) -> Callable[..., None]:
    def make(self: Depth, far: float, name: str) -> None:
        Depth.__init__(self, far, name)
        self.higher_is_better = better

    return make


def test_a_result_that_takes_anything_is_named() -> None:
    class Careless(KINDS["depth"].result_class):  # type: ignore[misc, name-defined]
        @classmethod
        def meaning_fault(cls, meaning: Any) -> None:
            return None

    with pytest.raises(AssertionError, match="refuses a meaning whose 'far'"):
        check_task(Kind(KINDS["depth"].task, KINDS["depth"].column, Careless))
