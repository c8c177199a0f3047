"""The checks of a kind of task pass for ours, and fail for one that breaks a promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from afanet.tasks import KINDS, Depth, Kind
from afanet.tasks.label import LabelFile
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


@pytest.mark.parametrize(
    ("name", "broken", "said"),
    [
        ("classification", {"as_label": lambda self, *_: "no such class"}, "its column reads what as_label gives"),
        ("depth", {"as_label": lambda self, *_: "1 m"}, "as_label gives a LabelFile"),
        ("classification", {"as_label": lambda self, *_: LabelFile(".png", b"")}, "as_label gives text"),
        ("classification", {"confidence": lambda self, mirror=None: 1.5}, "its confidence is from 0 to 1"),
    ],
)
def test_a_label_that_is_not_read_back_is_named(name: str, broken: dict[str, Any], said: str) -> None:
    kind = KINDS[name]
    result = type("Broken", (kind.result_class,), broken)
    with pytest.raises(AssertionError, match=said):
        check_task(Kind(kind.task, kind.column, result))
