"""Variants of a recipe by name, from a file: an ablation is such a file."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import yaml

from afanet.comparison.runs import NOT_METHOD, PROTOCOL
from afanet.errors import InputError
from afanet.training.folder import leaves
from afanet.training.load import change_recipe
from afanet.training.recipe import Recipe
from afanet.training.variants import for_method

HERE = resources.files("afanet.comparison.variants")


def read_variants(recipe: Recipe, source: str) -> dict[str, Recipe]:
    """The variants of `recipe` that a YAML file lists: by name, the keys of the recipe that differ.

    Args:
        recipe: what all have in common.
        source: a file, or the name of one that the package carries: `ablations`.

    Returns:
        The recipe of each. What its method has no use for is left out, as in a comparison of methods.

    Raises:
        InputError: for a file that cannot be read or has no such content, a name that cannot be a folder's, a key or
            value that no recipe has, one that all runs of a comparison have alike, and for two variants that are one.

    >>> from afanet.training.load import load_recipe
    >>> variants = read_variants(load_recipe("rooms"), "ablations")
    >>> list(variants)[:5], variants["guard"].network.guard
    (['single', 'afa', 'channel', 'spatial', 'per-task'], 2.0)
    """
    carried = HERE / f"{source}.yaml"
    file = carried if carried.is_file() else Path(source)
    try:
        listed = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise InputError(f"variants {source} cannot be read ({reason}), expected a YAML file or 'ablations'") from None
    except yaml.YAMLError as error:
        raise InputError(f"variants {source} is not valid YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(listed, dict) or not listed:
        raise InputError(f"variants {source} holds {listed!r:.40}, expected names, each with the keys that differ")
    variants: dict[str, Recipe] = {}
    for name, changes in listed.items():
        if not re.fullmatch(r"[\w.-]*\w", str(name)):
            raise InputError(f"variants {source} has the name {name!r}, expected letters, digits, dots and dashes")
        if not isinstance(changes, dict) or "seed" in changes:
            raise InputError(f"variants {source}: '{name}' is {changes!r:.60}, expected keys of a recipe but the seed")
        method = changes.get("network.method", recipe.network.method)
        variant = change_recipe(for_method(recipe, method), changes, f"{source}, '{name}'")
        _require_alike(recipe, variant, f"variants {source}: '{name}'")
        if same := [other for other, there in variants.items() if there == variant]:
            raise InputError(f"variants {source}: '{same[0]}' and '{name}' are the same recipe: leave one of them out")
        variants[str(name)] = variant
    return variants


def _require_alike(recipe: Recipe, variant: Recipe, place: str) -> None:
    """Raise `InputError` where a variant could not stand beside the others, or would count as the same run."""
    then, now = (leaves(one.model_dump(mode="json")) for one in (recipe, variant))
    for key in then | now:
        if then.get(key) != now.get(key) and (key in (*PROTOCOL, *NOT_METHOD) or key.startswith("data.options.")):
            raise InputError(
                f"{place} has {key} {now.get(key)!r}, which all runs of a comparison have alike: give it as a flag"
            )
