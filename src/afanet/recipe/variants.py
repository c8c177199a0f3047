"""A recipe with another method, and nothing in it that this method cannot use."""

from __future__ import annotations

from typing import Any

from afanet.errors import unknown
from afanet.networks.create import METHODS
from afanet.recipe.schema import NetworkRecipe, Recipe


def unused(method: str) -> tuple[str, ...]:
    """The keys of a recipe that this method has no use for, of sections the section.

    Where nothing meets there is no guard and no place to meet, where no gates are each task has none of its own, and
    single-task networks and MTAN share no trunk up to a stage. Single-task networks share nothing at all, so that
    there is nothing to balance and nothing to begin with.
    Raises `InputError` for a method that there is not.

    >>> unused("hard")
    ('network.guard', 'network.meet', 'network.per_task')
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    row = METHODS[method]
    alone = method == "single"
    return (
        *(("network.guard", "network.meet") if row.fusion is None else ()),
        *(() if row.gated else ("network.per_task",)),
        *(("network.trunk",) if alone or row.attend else ()),
        *(("balancing", "two_stage", "warm_start") if alone else ()),
    )


def for_method(recipe: Recipe, method: str) -> Recipe:
    """`recipe` with `method`, and what this method has no use for as if it had not been given.

    Raises `InputError` for a method that there is not.

    >>> from afanet.recipe.load import load_recipe
    >>> for_method(load_recipe("rooms", {"balancing.name": "cagrad"}), "single").balancing.name
    'equal'
    """
    network: dict[str, Any] = {"method": method}
    changes: dict[str, Any] = {}
    for key in unused(method):
        section, _, name = key.rpartition(".")
        model, found = (NetworkRecipe, network) if section else (Recipe, changes)
        found[name] = model.model_fields[name].get_default()
    return recipe.model_copy(update={"network": recipe.network.model_copy(update=network), **changes})
