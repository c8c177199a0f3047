"""Variants of a recipe by name, from a file such as an ablation."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Any

from afanet.comparison.groups import PROTOCOL
from afanet.errors import InputError, shown
from afanet.recipe.load import change_recipe
from afanet.recipe.schema import Recipe
from afanet.recipe.variants import for_method
from afanet.runs.folder import leaves
from afanet.runs.siblings import NOT_METHOD
from afanet.yaml_file import read_yaml

HERE = resources.files("afanet.comparison.variants")


def read_variants(recipe: Recipe, source: str) -> dict[str, Recipe]:
    """The variants of `recipe` that a YAML file lists: by name, the keys of the recipe that differ.

    Args:
        recipe: the common recipe.
        source: a file, or the name of one that comes with the package: `ablations`.

    Returns:
        The recipe of each, without the keys that its method does not use, as in a comparison of methods.

    Raises:
        InputError: for a file that cannot be read or has other content, a name that no folder can have, a key or value
            that no recipe has, a key that all runs of a comparison share, and for two equal variants.

    >>> from afanet.recipe.load import load_recipe
    >>> variants = read_variants(load_recipe("rooms"), "ablations")
    >>> list(variants)[:5], variants["guard"].network.guard
    (['single', 'afa', 'channel', 'spatial', 'per-task'], 2.0)
    """
    carried = HERE / f"{source}.yaml"
    file = carried if carried.is_file() else Path(source)
    listed = read_yaml(file, f"variants {source}", "a YAML file or 'ablations'")
    if not isinstance(listed, dict) or not listed:
        raise InputError(f"variants {source} holds {shown(listed, 40)}, expected names, each with the keys that differ")
    variants: dict[str, Recipe] = {}
    for name, changes in listed.items():
        if not re.fullmatch(r"[\w.-]*\w", str(name)):
            raise InputError(f"variants {source} has the name {shown(name)}, expected letters, digits, dots and dashes")
        if not isinstance(changes, dict) or "seed" in changes:
            raise InputError(f"variants {source}: '{name}' is {shown(changes)}, expected keys of a recipe but the seed")
        if odd := [key for key in changes if not isinstance(key, str)]:
            raise InputError(f"variants {source}: '{name}' has the key {shown(odd[0])}, expected keys of a recipe")
        variant = _variant(recipe, changes, source, str(name))
        _require_alike(recipe, variant, f"variants {source}: '{name}'")
        if same := [earlier for earlier, known in variants.items() if known == variant]:
            raise InputError(f"variants {source}: '{same[0]}' and '{name}' are the same recipe: leave one of them out")
        variants[str(name)] = variant
    return variants


def _variant(recipe: Recipe, changes: dict[str, Any], source: str, name: str) -> Recipe:
    method = changes.get("network.method", recipe.network.method)
    if not isinstance(method, str):
        raise InputError(
            f"variants {source}: 'network.method' of '{name}' is {shown(method)}, expected the name of a method"
        )
    try:
        base = for_method(recipe, method)
    except InputError as error:
        raise InputError(f"variants {source}: '{name}': {error}") from None
    return change_recipe(base, changes, f"{source}, '{name}'")


def _require_alike(recipe: Recipe, variant: Recipe, where: str) -> None:
    """Raise `InputError` if a variant could not be compared with the others, or would count as the same run."""
    then, now = (leaves(each.model_dump(mode="json")) for each in (recipe, variant))
    for key in then | now:
        if then.get(key) != now.get(key) and (key in (*PROTOCOL, *NOT_METHOD) or key.startswith("data.options.")):
            raise InputError(
                f"{where} has {key} {shown(now.get(key))}, which all runs of a comparison share: give it as a flag"
            )
