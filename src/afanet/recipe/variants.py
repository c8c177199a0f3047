"""A recipe for another method, without the keys that this method cannot use."""

from __future__ import annotations

from typing import Any

from afanet.networks.methods import METHODS
from afanet.recipe.network import NetworkRecipe
from afanet.recipe.schema import Recipe


def unused(method: str) -> tuple[str, ...]:
    """The keys and whole sections of a recipe that this method does not use.

    Methods without fusion layers do not use `guard` and `meet`, methods without gates do not use `per_task`, methods
    without spatial gates do not use `alive`, and some methods share no trunk. Single-task networks share nothing, so
    there is nothing to balance. A warm start only trains them for longer, which a comparison in two stages needs for
    an equal budget. Raises `InputError` for an unknown method.

    >>> unused("hard")
    ('network.guard', 'network.meet', 'network.per_task', 'network.alive')
    """
    row = METHODS[method]
    return (
        *(("network.guard", "network.meet") if row.fusion is None else ()),
        *(f"network.{option}" for option in ("per_task", "alive") if not row.takes(option)),
        *(() if row.trunk else ("network.trunk",)),
        *(("balancing", "two_stage", "warm_start") if row.alone else ()),
    )


def for_method(recipe: Recipe, method: str) -> Recipe:
    """`recipe` with `method`; keys that this method does not use are reset to their defaults.

    `network.lora.by` is also reset if the method cannot have such adapters.

    Raises `InputError` for an unknown method.

    >>> from afanet.recipe.load import load_recipe
    >>> for_method(load_recipe("rooms", {"balancing.name": "cagrad"}), "single").balancing.name
    'equal'
    """
    network: dict[str, Any] = {"method": method}
    changes: dict[str, Any] = {}
    for key in unused(method):
        section, _, name = key.rpartition(".")
        model, updated = (NetworkRecipe, network) if section else (Recipe, changes)
        updated[name] = model.model_fields[name].get_default()
    lora = recipe.network.lora
    if lora is not None and lora.by not in (None, *METHODS[method].adapters):
        network["lora"] = lora.model_copy(update={"by": None})
    return recipe.model_copy(update={"network": recipe.network.model_copy(update=network), **changes})


def as_begun(recipe: Recipe, begun: Recipe) -> Recipe:
    """`recipe` for resuming a run that was `begun`: values that `recipe` leaves open are taken from that run.

    These are the factor for the fusion layers, for which older versions wrote 1, how images are normalised, and the
    values that follow from the run that it started from.

    >>> from afanet.recipe.load import load_recipe
    >>> as_begun(load_recipe("rooms"), load_recipe("rooms", {"optimizer.fusion": 1})).optimizer.fusion
    1.0
    """
    optimizer, network = (
        ours.model_copy(update={key: getattr(theirs, key) for key in keys if getattr(ours, key) is None})
        for ours, theirs, keys in (
            (recipe.optimizer, begun.optimizer, ("fusion",)),
            (recipe.network, begun.network, ("mean", "std")),
        )
    )
    if recipe.start_from == begun.start_from is not None:  # values that the earlier run decided
        decided = {key: getattr(begun.network, key) for key in ("added", "share_frozen", "made_for")}
        network = network.model_copy(update=decided)
        recipe = recipe.model_copy(update={"old_tasks": begun.old_tasks})
    return recipe.model_copy(update={"optimizer": optimizer, "network": network})
