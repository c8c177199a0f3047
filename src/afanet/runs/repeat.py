"""The recipe of a new run, which may be an earlier run's recipe with some values changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from afanet.recipe.load import load_recipe, older_values
from afanet.recipe.schema import Recipe

DECIDING = ("backbone", "in_chans")  # the keys that decide a run's mean and std if it gives none


def recipe_to_train(source: str, overrides: Mapping[str, Any]) -> Recipe:
    """The recipe with this name or in this file, with `overrides` by dotted key; raises as `load_recipe` does.

    A recipe in the folder of a run repeats this run: keys that its version did not have are set to what it did. If
    `overrides` change the backbone or the channels, a mean and a standard deviation that came from the old backbone are
    replaced by those of the new one.
    """
    file = Path(source)
    if file.name != "recipe.yaml" or not file.is_file():
        return load_recipe(source, overrides)
    from afanet.runs.folder import RunFolder  # which imports torch

    if not RunFolder(file.parent).is_run:
        return load_recipe(source, overrides)
    older = older_values(file)
    return load_recipe(source, older | _left_open(load_recipe(source, older), older, overrides) | dict(overrides))


def _left_open(begun: Recipe, older: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, None]:
    """The keys of the normalisation that the old run took from its backbone, if the new run has another backbone."""
    from afanet.recipe.preprocessing import normalisation

    network = begun.network
    same = all(overrides.get(f"network.{key}", getattr(network, key)) == getattr(network, key) for key in DECIDING)
    if same or network.in_chans not in (1, 3):  # for other numbers a backbone has no values
        return {}
    own = normalisation(network.model_copy(update={"mean": None, "std": None}))
    return {
        f"network.{key}": None
        for key in ("mean", "std")
        if f"network.{key}" in older or getattr(network, key) == getattr(own, key)
    }
