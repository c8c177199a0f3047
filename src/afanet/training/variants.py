"""A recipe with another method, and nothing in it that this method cannot use."""

from __future__ import annotations

from typing import Any

from afanet.errors import unknown
from afanet.networks.create import METHODS
from afanet.training.recipe import BalancingRecipe, Recipe


def for_method(recipe: Recipe, method: str) -> Recipe:
    """`recipe` with `method`, without a guard where nothing meets.

    Single-task networks share nothing, so that there is nothing to balance and nothing to begin with.
    Raises `InputError` for a method that there is not.

    >>> from afanet.training.load import load_recipe
    >>> for_method(load_recipe("rooms", {"balancing.name": "cagrad"}), "single").balancing.name
    'equal'
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    network: dict[str, Any] = {"method": method}
    if METHODS[method].fusion is None:
        network["guard"] = None
    changes: dict[str, Any] = {"network": recipe.network.model_copy(update=network)}
    if method == "single":
        changes |= {"balancing": BalancingRecipe(), "two_stage": False, "warm_start": None}
    return recipe.model_copy(update=changes)
