"""Outside code that a recipe names: where it is, whether it is trusted, and whether it is unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from afanet import outside
from afanet.recipe.schema import Recipe


def references(recipe: Recipe) -> list[str]:
    """The references to outside code in a recipe, for its method, head, data set and kinds of task.

    >>> from afanet.recipe.load import load_recipe
    >>> references(load_recipe("rooms")), references(load_recipe("rooms", {"network.method": "/home/me/mine.py:Mine"}))
    ([], ['/home/me/mine.py:Mine'])
    """
    return references_in(recipe.model_dump())


def references_in(values: Mapping[str, Any]) -> list[str]:
    """The references in a recipe's nested values."""
    network, data = values.get("network"), values.get("data")
    named: list[Any] = []
    if isinstance(network, Mapping):
        head = network.get("head")
        named += [network.get("method"), *(head.values() if isinstance(head, Mapping) else [head])]
    named += _names(data) if isinstance(data, Mapping) else []
    return list(dict.fromkeys(name for name in named if isinstance(name, str) and outside.is_reference(name)))


def with_code(recipe: Recipe) -> Recipe:
    """The recipe with the hash of the code behind each of its references.

    Raises `InputError` for a file that is missing or has changed since the recipe stored its hash.
    """
    outside.require_unchanged(recipe.code)
    return recipe.model_copy(update={"code": {name: outside.code_hash(name) for name in references(recipe)}})


def require_code(recipe: Recipe) -> None:
    """Raise `InputError` for outside code that is not trusted or has changed since the run began.

    None of the code is run.
    """
    outside.require_trusted(*references(recipe))
    outside.require_unchanged(recipe.code)


def identified(recipe: Recipe) -> dict[str, Any]:
    """The recipe's values, with outside code identified by name and content rather than by path."""
    values = recipe.model_dump(mode="json", exclude={"code"})
    short = {name: f"{name.rpartition(':')[2]}@{kept[:12]}" for name, kept in recipe.code.items()}
    changed: dict[str, Any] = _replaced(values, short)
    return changed


def _replaced(value: Any, replacements: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(inner, replacements) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, replacements) for inner in value]
    return replacements.get(value, value) if isinstance(value, str) else value


def _names(value: Any) -> Iterator[Any]:
    """Every `name` and `kind` in a recipe's data section, at any depth, since data sets may be nested."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in ("name", "kind"):
                yield inner
            yield from _names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _names(inner)
