"""Of many relatives that a test asks, some stand for all in the fast suite; `pytest -m slow` asks the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pytest


def relatives(every: Iterable[str], fast: Collection[str]) -> list[object]:
    """The parameters of a test: `every`, of which those that are not `fast` are marked slow."""
    names = list(every)
    assert set(fast) <= set(names)
    return [pytest.param(name, marks=() if name in fast else pytest.mark.slow, id=name) for name in names]
