"""Reads recipes by name or from a file, and overrides single values."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from afanet import outside
from afanet.errors import InputError, shown, unknown
from afanet.networks.weights.spelling import anchored
from afanet.normalisation import IMAGENET
from afanet.recipe.schema import Recipe, recipe_fields, recipe_keys
from afanet.recipe.stopping import SPLITS
from afanet.yaml_file import DEEPEST, read_yaml

RECIPES = resources.files("afanet.recipe") / "recipes"
WORDS = {"select": SPLITS}  # values that a section may have instead; a key of the section replaces them
BEFORE: dict[str, Any] = {  # how versions without these keys behaved, if it is not the default
    "balancing.scale": "paper",
    "network.partial": True,
    "network.mean": IMAGENET.mean,
    "network.std": IMAGENET.std,
}


def recipe_names() -> list[str]:
    """The names of the recipes in the package.

    >>> recipe_names()[:4]
    ['adience', 'adience-original', 'digits', 'faces']
    """
    return sorted(Path(file.name).stem for file in RECIPES.iterdir() if file.name.endswith(".yaml"))


def describe_recipe(name: str) -> str:
    """The first sentence of a recipe's opening comment.

    >>> describe_recipe("rooms")
    'Furnished rooms made by the program itself: ...'
    """
    comment = " ".join(line.removeprefix("#").strip() for line in opening_lines(name))
    return f"{comment.partition('. ')[0].removesuffix('.')}."


def opening_lines(name: str) -> list[str]:
    """The comment with which a recipe of the package begins: what it follows, and where it differs.

    >>> opening_lines("nyuv2-original")[0]
    '# NYUv2 after the authors of AFA: ...'
    """
    lines = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    return list(takewhile(lambda line: line.startswith("#"), lines))


def load_recipe(source: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe with this name, or in this YAML file; `overrides`, by dotted key, replace its values.

    A relative path in a file starts from the file's folder, one in `overrides` from the current folder.

    Raises `InputError` if the recipe does not exist, the file is not a YAML mapping, a key does not exist (the message
    suggests the nearest), or a key does not take its value.

    >>> load_recipe("rooms", {"optimizer.lr": 0.01}).optimizer.lr
    0.01
    """
    return _with(_read(source), overrides or {}, source)


def older_values(file: Path) -> dict[str, Any]:
    """Values, by dotted key, that reproduce the behaviour of the older version that wrote a run's recipe.

    They are for keys that the recipe does not have. Before `network.taps` existed, the head `linear` was for pooled
    tasks only, and dense tasks had their default head beside it.

    Raises `InputError` if the file is not a YAML mapping.
    """
    return _older(_read(file))


def recipe_of_values(values: dict[str, Any], source: str | Path) -> Recipe:
    """The recipe with these nested values from `source`, including the `older_values` if an older version wrote them.

    Raises `InputError` for a key that does not exist or does not take its value.
    """
    return _with(values, _older(values), source)


def _older(values: Mapping[str, Any]) -> dict[str, Any]:
    older = {key: value for key, value in BEFORE.items() if not _has(values, key.split("."))}
    network = values.get("network")
    if isinstance(network, dict) and network.get("head") == "linear" and "taps" not in network:
        older["network.head"] = None  # the default, which has the same effect
    return older


def with_older_values(recipe: Recipe, file: Path) -> Recipe:
    """`recipe` with the `older_values` of a run's recipe, for keys that it leaves open or has the same values for.

    Raises as `older_values` does.
    """
    written, given, defaults = _read(file), recipe.model_dump(), recipe_fields()

    def leaves_open(key: str) -> bool:
        value = _value(given, key.split("."))
        return bool(value == defaults[key].default or value == _value(written, key.split(".")))

    older = {key: value for key, value in older_values(file).items() if leaves_open(key)}
    return change_recipe(recipe, older, file) if older else recipe


def _has(values: Any, keys: list[str]) -> bool:
    return not keys or (isinstance(values, dict) and keys[0] in values and _has(values[keys[0]], keys[1:]))


def _value(values: Any, keys: list[str]) -> Any:
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def change_recipe(recipe: Recipe, overrides: Mapping[str, Any], source: str | Path) -> Recipe:
    """`recipe` with `overrides`, by dotted key, from `source`; raises as `load_recipe` does.

    >>> change_recipe(load_recipe("rooms"), {"network.guard": 2}, "a file").network.guard
    2.0
    """
    return _with(recipe.model_dump(), overrides, source)


def _with(values: dict[str, Any], overrides: Mapping[str, Any], source: str | Path) -> Recipe:
    if overrides.get("select") == "last" and "select.by" in overrides:
        raise InputError(
            f"recipe {source}: 'select' is 'last' and 'select.by' is {shown(overrides['select.by'])}, which selects by "
            "the validation split: give only one"
        )
    for key, value in sorted(overrides.items(), key=lambda item: item[0] not in WORDS):
        *sections, last = key.split(".")
        if len(sections) > DEEPEST:
            raise InputError(
                f"recipe {source}: key {shown(key)} has {len(sections)} sections, expected {DEEPEST} at most"
            )
        parent = values
        for depth, section in enumerate(sections, start=1):
            path = ".".join(sections[:depth])
            if parent.get(section) in (None, *WORDS.get(path, ())) and path in recipe_keys():
                parent[section] = {}  # a section that may be null, or a word
            parent = parent.setdefault(section, {})
            if not isinstance(parent, dict):
                raise InputError(f"recipe {source}: '{path}' is {shown(parent)}, expected a section with its own keys")
        parent[last] = value
    _anchor(values, Path.cwd())
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise _explain(error, source) from None


def dump_recipe(recipe: Recipe) -> str:
    """The complete recipe as YAML, with every default spelt out; `load_recipe` reads it back unchanged.

    >>> dump_recipe(load_recipe("rooms")).splitlines()[0]
    'name: rooms'
    """
    text: str = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    return text


def _read(source: str | Path) -> dict[str, Any]:
    named = str(source) in recipe_names()
    file = RECIPES / f"{source}.yaml" if named else Path(source)
    if not named and Path(source).suffix not in (".yaml", ".yml"):
        raise unknown("recipe", str(source), recipe_names())
    values = read_yaml(file, f"recipe {source}")
    if not isinstance(values, dict):
        raise InputError(f"recipe {source} holds {shown(values, 40)}, expected keys such as 'data' and 'network'")
    if not named:
        _anchor(values, Path(source).absolute().parent)
    return values


def _anchor(values: dict[str, Any], folder: Path) -> None:
    """Make the relative paths to data, weights and outside code in a recipe start from `folder`."""
    if "data" in values:
        values["data"] = _with_paths_in(folder, values["data"])
    network = values.get("network")
    if isinstance(network, dict):
        values["network"] = network = {
            key: _anchored(value, folder, key) if key in ("method", "head") else value for key, value in network.items()
        }
        weights = network.get("weights")
        if isinstance(weights, str):
            network["weights"] = anchored(weights, folder)


def _with_paths_in(folder: Path, value: Any) -> Any:
    """`value` with every `root`, `stream` and reference in it starting from `folder`, at any depth."""
    if isinstance(value, list):
        return [_with_paths_in(folder, part) for part in value]
    if not isinstance(value, dict):
        return value
    return {key: _path_in(folder, key, inner) for key, inner in value.items()}


def _path_in(folder: Path, key: object, value: Any) -> Any:
    if key == "stream" and isinstance(value, str) and "://" in value:
        return value
    if key in ("root", "stream") and isinstance(value, str | Path):
        return str(folder / value)
    if key in ("name", "kind") and isinstance(value, str):
        return _anchored(value, folder, key)
    return _with_paths_in(folder, value)


def _anchored(name: Any, folder: Path, key: object) -> Any:
    if isinstance(name, dict):  # by task
        return {task: _anchored(inner, folder, key) for task, inner in name.items()}
    if not isinstance(name, str) or not outside.is_reference(name):
        return name
    try:
        return outside.anchored(name, folder)
    except InputError as error:
        raise InputError(f"{key}: {error}") from None


def _explain(error: ValidationError, source: str | Path) -> InputError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith("["))
    if first["type"] == "extra_forbidden":
        sections = dict.fromkeys(known.rpartition(".")[0] for known in recipe_keys() if "." in known)
        return InputError(f"recipe {source}: {unknown('recipe key', key, [*recipe_keys(), *sections])}")
    if first["type"] == "missing":
        return InputError(f"recipe {source}: '{key}' is missing, expected {recipe_keys().get(key, 'a section')}")
    expected = first["msg"].replace("Input should", "which should", 1)
    return InputError(f"recipe {source}: {key!r:.120} is {shown(first['input'])}, {expected}")
