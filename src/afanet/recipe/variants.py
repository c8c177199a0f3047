"""A recipe with another method, and nothing in it that this method cannot use."""

from __future__ import annotations

from typing import Any

from afanet.networks.methods import METHODS
from afanet.recipe.schema import NetworkRecipe, Recipe


def unused(method: str) -> tuple[str, ...]:
    """The keys of a recipe that this method has no use for, of sections the section.

    Where nothing meets there is no guard and no place to meet, where no gates are each task has none of its own, and
    some share no trunk up to a stage. Single-task networks share nothing at all, so that there is nothing to balance
    and nothing to begin with.
    Raises `InputError` for a method that there is not.

    >>> unused("hard")
    ('network.guard', 'network.meet', 'network.per_task')
    """
    row = METHODS[method]
    return (
        *(("network.guard", "network.meet") if row.fusion is None else ()),
        *(() if row.gated else ("network.per_task",)),
        *(() if row.trunk else ("network.trunk",)),
        *(("balancing", "two_stage", "warm_start") if row.alone else ()),
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
