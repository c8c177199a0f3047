"""Every key of a recipe as a flag."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from afanet.errors import InputError
from afanet.outside import is_reference, trust_code

OPTION = "data.options."
OPTIONS = ("data.options", "balancing.options", "balancing.weights", "optimizer.rates", "old_tasks")
# The values of these keys are checked where they are used.
FREE = (
    OPTION,
    "balancing.options.",
    "balancing.weights.",
    "losses.",
    "network.head.",
    "network.freeze.",
    "optimizer.rates.",
)
# Short names of keys; `--batch_size` and `--batch-size` are the same flag.
SHORT = {
    "data.root": "data",
    "data.size": "size",
    "data.crop": "crop",
    "network.method": "method",
    "network.backbone": "backbone",
    "network.head": "head",
    "network.weights": "weights",
    "network.freeze": "freeze",
    "optimizer.name": "optimizer",
    "optimizer.lr": "lr",
    "optimizer.weight_decay": "weight-decay",
    "schedule.name": "schedule",
    "balancing.name": "balancing",
    "batch_size": "batch-size",
    "data.options.fold": "fold",
}
COMPLETION = "completion"  # the command that needs the flags of all others

NO_FLAGS = ("name", "code", "losses", *OPTIONS)
GATHERED = ("network.freeze", "fresh")  # keys that list names of parts; their flags may be repeated


def path_flag(text: str) -> Path:
    """The path that a flag or argument gives; an empty one is refused, since it would mean the working folder."""
    if not text or "\0" in text:
        raise ArgumentTypeError(f"the path is {text!r:.60}, expected the name of a file or folder")
    return Path(text)


def add_trust_flag(parser: ArgumentParser) -> None:
    """`--trust-code`, for every command that reads a recipe or a run."""
    parser.add_argument(
        "--trust-code",
        action="store_true",
        help="run the Python code that the recipe or run names; read the code first: it can do anything that you can",
    )


def add_tasks_flag(parser: ArgumentParser, help: str) -> None:
    """`--tasks`, for every command that can work with some of a network's tasks; `given_tasks` reads it."""
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help=help)


def given_tasks(given: Namespace) -> list[str] | None:
    """The tasks of `--tasks`, separated by commas or blanks; None for all."""
    return None if given.tasks is None else [name for text in given.tasks for name in text.split(",")]


def trust(given: Namespace) -> None:
    """With `--trust-code`, trust all outside code; without, only the code that the command line itself names."""
    named = [name for name in (getattr(given, "methods", None) or "").split(",") if is_reference(name)]
    values = overrides(given) if any("." in key for key in vars(given)) else {}
    named += references_given(values) if values else []
    if getattr(given, "trust_code", False):
        trust_code()
        return
    for name in named:
        try:
            trust_code(name)
        except InputError as error:
            flag = next((f"--{key}: " for key, value in values.items() if value == name), "")
            raise InputError(f"{flag}{error}") from None


def references_given(values: dict[str, Any]) -> list[str]:
    """The references to outside code among the values of flags."""
    from afanet.recipe.code import references_in

    nested: dict[str, Any] = {}
    for key, value in values.items():
        *sections, last = key.split(".")
        table = nested
        for section in sections:
            table = table.setdefault(section, {}) if isinstance(table, dict) else {}
        if isinstance(table, dict):
            table[last] = value
    return references_in(nested)


def add_recipe_flags(
    parser: ArgumentParser, words: Sequence[str], prefix: str | tuple[str, ...] = "", without: Sequence[str] = ()
) -> None:
    """Add a flag for each recipe key that begins with `prefix`, and for each data option among `words`.

    Keys in `without` get no flag. If the words call another command, no flags are added, since that takes time.
    """
    if words[:1] not in ([parser.prog.split()[1]], [COMPLETION]):
        return
    from afanet.recipe.schema import recipe_fields, recipe_keys

    fields = recipe_fields()
    keys = {key: text for key, text in recipe_keys().items() if key not in (*NO_FLAGS, *without)}
    keys = {key: text for key, text in keys.items() if key.startswith(prefix)}
    # A data set knows its own options and checks them when it is opened.
    free = [word[2:].partition("=")[0] for word in words if word.startswith("--")]
    keys |= {key: "" for key in free if key.startswith(FREE) and key.startswith(prefix)}
    keys[f"{OPTION}fold"] = "adience: the fold to test on"
    group = parser.add_argument_group("keys of the recipe")
    for key in sorted(keys, key=lambda key: key not in SHORT):
        short = SHORT.get(key, key)
        names = (short, short.replace("-", "_"), key, key.replace("_", "-"))
        flags = dict.fromkeys(f"--{name}" for name in names)
        kind = str(fields[key].annotation) if key in fields else ""
        several = "..." in kind or key == "data.crop"  # data.crop may be null too
        count: Any = 2 if key == "data.size" else "+" if several else "?" if kind == "<class 'bool'>" else None
        shown: Any = ("H", "W") if key in ("data.size", "data.crop") else key.rpartition(".")[2].upper()
        # A boolean key works as a bare flag, or with `false` if the recipe has `true`.
        alone: Any = {"const": "true"} if count == "?" else {"action": "extend"} if key in GATHERED else {}
        group.add_argument(*flags, dest=key, nargs=count, metavar=shown, help=keys[key], default=SUPPRESS, **alone)


def overrides(given: Namespace) -> dict[str, Any]:
    """The values of the flags that were given, by the recipe's dotted keys."""
    from afanet.recipe.schema import recipe_keys

    return {key: _value(key, text) for key, text in vars(given).items() if key in recipe_keys() or key.startswith(FREE)}


def _value(key: str, text: Any) -> Any:
    """The value of a flag; the options of a data set have no declared type and are read as YAML."""
    from afanet.yaml_file import parse_yaml

    if not key.startswith(FREE):
        return None if text in ("null", ["null"]) else text
    return parse_yaml(text, f"the value of --{key}")
