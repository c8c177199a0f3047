"""From a recipe to tasks with their losses, and to a network for as many tasks as any data have, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.runs.setup import build_network, open_tasks
from afanet.tasks import Classification

from ..bounds import bounded


def test_no_network_is_built_for_thousands_of_tasks(small: Callable[..., Recipe]) -> None:
    tasks = {f"t{number}": Classification(f"t{number}", ["a", "b"]) for number in range(100_000)}
    with bounded(), pytest.raises(InputError, match="there are 100,000 tasks, expected at most 1,000"):
        build_network(small(**{"network.method": "single"}), tasks, "none")


def test_tasks_have_the_losses_of_the_recipe(small: Callable[..., Recipe]) -> None:
    _, tasks = open_tasks(small(losses={"depth": {"name": "silog", "weight": 2}}))
    weights = {name: task.loss_weight for name, task in tasks.items()}
    assert weights == {name: 2 if name == "depth" else 1 for name in tasks}
    assert tasks["depth"].loss_name == "silog"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="unknown task under losses 'dept', did you mean 'depth'"):
        open_tasks(small(losses={"dept": {"weight": 2}}))


def test_a_task_that_an_option_gives_is_said_with_it(small: Callable[..., Recipe]) -> None:
    with pytest.raises(InputError, match=r"of data set rooms 'normals'.*; data\.options\.normals true gives"):
        open_tasks(small(tasks=["normals"]))
