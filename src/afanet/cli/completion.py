"""`afanet completion`: a script that completes commands, flags and values in a shell."""

from __future__ import annotations

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

from afanet.cli.flags import COMPLETION, path_flag

SHELLS = ("bash", "zsh", "fish")
# Arguments and keys whose values may be files or folders.
FILES = ("inputs", "images", "weights", "variants", "stream")
FILE_KEYS = ("data.root", "data.stream", "network.weights", "warm_start", "start_from", "distill")
RECIPES = ("recipe", "source")
SWITCH = ("true", "false")


def add_completion_command(commands: Any, whole: ArgumentParser) -> None:
    """Add the command; its script completes everything that the parser `whole` accepts."""
    completion: ArgumentParser = commands.add_parser(
        COMPLETION,
        help="print a script that completes commands in your shell",
        description="Print a script that completes commands, flags and values with the Tab key. Save it where your "
        "shell looks for such scripts, and save it again after each upgrade.",
        allow_abbrev=False,
    )
    completion.set_defaults(command=_completion, parser=completion, whole=whole)
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def _completion(given: Namespace) -> None:
    import shtab

    values, recipes = _values(), _recipes()
    for action in _actions(given.whole):
        action.option_strings = [flag for flag in action.option_strings if flag.startswith("--")][:1]
        if isinstance(action.metavar, tuple):
            action.metavar = " ".join(action.metavar)
        if action.dest in RECIPES and not action.option_strings:
            action.complete = recipes  # type: ignore[attr-defined]
        elif action.type is path_flag or action.dest in FILES + FILE_KEYS:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.choices is None and action.dest in values:
            action.choices = values[action.dest]
    print(shtab.complete(given.whole, given.shell))


def _actions(parser: ArgumentParser) -> Iterator[Action]:
    """The arguments of a parser and of all its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action.choices, dict):
            for command in action.choices.values():
                yield from _actions(command)


def _values() -> dict[str, tuple[str, ...]]:
    """The possible values of those recipe keys that have only a few."""
    from afanet.data import DATA_SETS
    from afanet.networks import HEADS, METHODS
    from afanet.recipe.schema import recipe_fields
    from afanet.training.balancing.methods import BALANCINGS

    rows: dict[str, Iterable[str]] = {
        "data.name": DATA_SETS,
        "network.head": HEADS,
        "network.method": METHODS,
        "balancing.name": BALANCINGS,
        "device": ("auto", "cpu", "cuda", "mps"),
    }
    fields = {key: _literals(field.annotation) for key, field in recipe_fields().items()}
    return {key: tuple(names) for key, names in (fields | rows).items() if names}


def _literals(annotation: Any) -> tuple[str, ...]:
    """The values that a type lists.

    >>> _literals(Literal["auto", "none"] | None), _literals(bool), _literals(float)
    (('auto', 'none'), ('true', 'false'), ())
    """
    if annotation is bool:
        return SWITCH
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(value for part in get_args(annotation) for value in _literals(part))


def _recipes() -> dict[str, Any]:
    """How shells complete a recipe: by the names of the package's recipes, and by files."""
    from afanet.recipe.load import recipe_names

    names = " ".join(recipe_names())
    function = "_afanet_recipe_or_file"  # bash adds slashes to folders for names with `_file`
    return {
        "bash": function,
        "zsh": f"{{compadd {names}; _files}}",
        "fish": f"{names} (__fish_complete_path (commandline -ct))",
        "preamble": {"bash": f'{function}() {{\n  compgen -W "{names}" -- "$1"\n  compgen -f -- "$1"\n}}'},
    }
