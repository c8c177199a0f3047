"""A recipe with another method, and nothing in it that this method cannot use."""

from __future__ import annotations

from typing import Any

from afanet.errors import unknown
from afanet.networks.create import METHODS
from afanet.training.recipe import BalancingRecipe, Recipe


def for_method(recipe: Recipe, method: str) -> Recipe:
    """`recipe` with `method`, without what this method has no use for.

    Where nothing meets there is no guard and no place to meet, where no gates are each task has none of its own, and
    single-task networks and MTAN share no trunk up to a stage. Single-task networks share nothing at all, so that
    there is nothing to balance and nothing to begin with.
    Raises `InputError` for a method that there is not.

    >>> from afanet.training.load import load_recipe
    >>> for_method(load_recipe("rooms", {"balancing.name": "cagrad"}), "single").balancing.name
    'equal'
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    network: dict[str, Any] = {"method": method}
    row = METHODS[method]
    if row.fusion is None:
        network |= {"guard": None, "meet": None}
    if not row.gated:
        network["per_task"] = False
    if method == "single" or row.attend:
        network["trunk"] = None
    changes: dict[str, Any] = {"network": recipe.network.model_copy(update=network)}
    if method == "single":
        changes |= {"balancing": BalancingRecipe(), "two_stage": False, "warm_start": None}
    return recipe.model_copy(update=changes)
