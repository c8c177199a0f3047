"""Every key of a recipe as a flag."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from afanet.errors import InputError

OPTION = "data.options."
SHORT = {
    "data.root": "--data",
    "data.size": "--size",
    "network.method": "--method",
    "network.backbone": "--backbone",
    "network.weights": "--weights",
    "batch_size": "--batch-size",
    "data.options.fold": "--fold",
}


def add_recipe_flags(parser: ArgumentParser, words: Sequence[str], prefix: str = "") -> None:
    """A flag for each key of a recipe that begins with `prefix`, and for each option of a data set among `words`."""
    from afanet.training.recipe import recipe_keys

    keys = {key: text for key, text in recipe_keys().items() if key not in ("name", "data.options")}
    keys = {key: text for key, text in keys.items() if key.startswith(prefix)}
    # What a data set can be told it knows itself, and checks when it is opened.
    keys |= {word[2:].partition("=")[0]: "" for word in words if word.startswith(f"--{OPTION}")}
    keys[f"{OPTION}fold"] = "adience: the fold to test on"
    group = parser.add_argument_group("keys of the recipe")
    for key in sorted(keys, key=lambda key: key not in SHORT):
        flags = dict.fromkeys([SHORT.get(key, f"--{key}"), f"--{key}", f"--{key.replace('_', '-')}"])
        count: Any = {"data.size": 2, "tasks": "+"}.get(key)
        shown: Any = ("H", "W") if key == "data.size" else key.rpartition(".")[2].upper()
        group.add_argument(*flags, dest=key, nargs=count, metavar=shown, help=keys[key], default=SUPPRESS)


def overrides(given: Namespace) -> dict[str, Any]:
    """The values of the flags that were given, by the recipe's dotted keys."""
    from afanet.training.recipe import recipe_keys

    return {key: _value(key, text) for key, text in vars(given).items() if key in recipe_keys() or OPTION in key}


def _value(key: str, text: Any) -> Any:
    """What stands in a flag; the options of a data set have no declared type and are read as YAML."""
    import yaml

    if not key.startswith(OPTION):
        return None if text == "null" else text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"--{key} is {text!r}, expected a value as in YAML") from None
