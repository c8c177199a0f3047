"""A network is built for as many tasks as any data have, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.runs.setup import build_network
from afanet.tasks import Classification

from ..bounds import bounded


def test_no_network_is_built_for_thousands_of_tasks(small: Callable[..., Recipe]) -> None:
    tasks = {f"t{number}": Classification(f"t{number}", ["a", "b"]) for number in range(100_000)}
    with bounded(), pytest.raises(InputError, match="there are 100,000 tasks, expected at most 1,000"):
        build_network(small(**{"network.method": "single"}), tasks, "none")
