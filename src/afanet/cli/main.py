"""The command line's parser and its shorter commands."""

from __future__ import annotations

import os
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from afanet import __version__
from afanet.cli.balancing import add_balancing_command
from afanet.cli.compare import add_compare_commands
from afanet.cli.data import add_data_commands
from afanet.cli.demo import add_demo_command
from afanet.cli.export import add_export_command
from afanet.cli.flags import add_recipe_flags, add_trust_flag, overrides, path_flag, trust
from afanet.cli.inspect import add_inspect_command
from afanet.cli.predict import add_predict_command
from afanet.cli.present import require_present_run
from afanet.distributed.started import require_ranks
from afanet.errors import InputError, unknown
from afanet.outside import short_name

if TYPE_CHECKING:
    from afanet.runs.run import Run


# The extra of a command that needs more than `train`, which it includes.
EXTRAS = {"demo": "demo", "export": "export"}
KILLED = "DataLoader worker"  # begins a message of torch
NO_MEMORY = ("allocate memory", "out of memory")  # in messages of torch


class Parser(ArgumentParser):
    """A parser whose complaints are `InputError`s like any other."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 2 for bad input, 130 when interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        given = parse(words)
        require_ranks()
        trust(given)
        given.command(given)
    except InputError as error:
        return _refuse(str(error))
    except OSError as error:  # such as a full disk or an unreadable folder, wherever it shows
        return _refuse(_reason(error))
    except ModuleNotFoundError as error:
        package = (error.name or "afanet").partition(".")[0]
        if package == "afanet":
            raise
        return _refuse(f"{package} is missing: pip install 'afanet[{_extra(words)}]'")
    except (MemoryError, RuntimeError) as error:
        # torch has no error classes of its own for too little memory on the CPU, and for a worker that was killed.
        if KILLED in str(error):
            return _refuse("a process that reads samples was killed, as for want of memory: lower --workers")
        if isinstance(error, RuntimeError) and not any(sign in str(error) for sign in NO_MEMORY):
            raise
        return _refuse("this takes more memory than there is: give smaller images, a smaller batch or fewer at a time")
    except KeyboardInterrupt:
        return 130
    return 0


def _reason(error: OSError) -> str:
    """What the machine refused, with the file's name if there is one."""
    try:
        Path.cwd()
    except OSError:
        return "the folder that you are in no longer exists: change to another one"
    name = error.filename2 or error.filename
    file = f"{os.fsdecode(name) if isinstance(name, bytes) else name}: " if name else ""
    return f"{file}{error.strerror or error}"


def _refuse(sentence: str) -> int:
    """Say what is wrong; returns the exit status."""
    print(f"afanet: error: {_printable(sentence)}", file=sys.stderr)
    return 2


def _printable(text: str) -> str:
    """Text with its control characters escaped as Python writes them, so that a terminal does not run them.

    >>> print(_printable("a\\x1b[2Jb"))
    a\\x1b[2Jb
    """
    return re.sub("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]", lambda match: repr(match[0])[1:-1], text)


def parse(words: Sequence[str]) -> Namespace:
    """The command and its flags; an unknown flag is an `InputError` that names the nearest."""
    parser = Parser(prog="afanet", description="Train and evaluate multi-task networks.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"afanet {__version__}")
    commands = parser.add_subparsers(title="commands", dest="chosen", metavar="COMMAND", required=True)

    _add_train_command(commands, words)
    recipes = commands.add_parser(
        "recipes",
        help="list the recipes",
        description="List the recipes that the package carries.",
        allow_abbrev=False,
    )
    recipes.set_defaults(command=_recipes, parser=recipes)

    add_balancing_command(commands)
    _add_evaluate_command(commands)
    add_compare_commands(commands, words)
    add_inspect_command(commands)
    add_export_command(commands)
    add_predict_command(commands)
    add_demo_command(commands)

    data = commands.add_parser("data", help="check and prepare data", description="Check and prepare data.")
    add_data_commands(data, words)

    given, rest = parser.parse_known_args(words)
    if rest and rest[0].startswith("-"):
        raise unknown("flag", rest[0].partition("=")[0], given.parser._option_string_actions)
    if rest:
        raise InputError(f"argument '{rest[0]}' is one too many (see {given.parser.prog} --help)")
    return given


def _add_train_command(commands: Any, words: Sequence[str]) -> None:
    train = commands.add_parser(
        "train",
        help="train a network by a recipe",
        description="Train a network by a recipe. Every key of the recipe is a flag.",
        allow_abbrev=False,
    )
    train.set_defaults(command=_train, parser=train)
    train.add_argument("recipe", metavar="RECIPE", help="a recipe's name (`afanet recipes` lists them) or a YAML file")
    train.add_argument("--resume", action="store_true", help="continue from the run folder's last checkpoint")
    train.add_argument("--print-config", action="store_true", help="print the whole recipe and train nothing")
    train.add_argument(
        "--out", type=path_flag, metavar="FOLDER", help="run folder, runs/RECIPE-METHOD-seedN by default"
    )
    add_trust_flag(train)
    if words[:1] == ["train"]:
        add_recipe_flags(train, words)


def _add_evaluate_command(commands: Any) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="score a finished run again",
        description="Score a finished run on its test split, and compare with the scores from the end of training.",
        allow_abbrev=False,
    )
    evaluate.set_defaults(command=_evaluate, parser=evaluate)
    evaluate.add_argument("run", type=path_flag, metavar="RUN", help="folder of the run")
    evaluate.add_argument("--device", help="auto, cpu, cuda, cuda:1 or mps; the recipe's by default")
    add_trust_flag(evaluate)


def _extra(words: Sequence[str]) -> str:
    """The extra that the command needs; a prediction by an ONNX file needs no torch.

    >>> _extra(["train", "rooms"]), _extra(["predict", "model.onnx", "photo.jpg"])
    ('train', 'onnx')
    """
    if words[:1] == ["predict"] and any(word.lower().endswith(".onnx") for word in words):
        return "onnx"
    return EXTRAS.get(words[0], "train")


def _train(given: Namespace) -> None:
    from afanet.recipe.load import dump_recipe, load_recipe

    recipe = load_recipe(given.recipe, overrides(given))
    if given.print_config:
        print(dump_recipe(recipe), end="")
        return
    from afanet.report.pictures import draw_predictions
    from afanet.runs.examples import predict_examples
    from afanet.training.run import train

    run = train(recipe, given.out, resume=given.resume)
    examples = predict_examples(run)
    draw_predictions(run.folder.picture, examples.samples, run.tasks, {"prediction": examples.predictions})
    _print_table({short_name(recipe.network.method): run})
    print(f"{run.path}: recipe.yaml, metrics.json, log.csv, last.ckpt, predictions.png")


def _recipes(given: Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    from afanet.recipe.load import describe_recipe, recipe_names

    table = Table("recipe", "what it trains", box=None, pad_edge=False)
    for name in recipe_names():
        table.add_row(name, describe_recipe(name))
    Console().print(table)


def _evaluate(given: Namespace) -> None:
    require_present_run(given.run)
    from afanet.training.run import evaluate

    run = evaluate(given.run, given.device)
    _print_table({short_name(run.results["method"]): run})
    if run.folder.finished:
        same = "identical" if run.scores == run.folder.read_results()["tasks"] else "NOT identical"
        print(f"{same} to {run.folder.metrics}, from the end of training")


def _print_table(runs: Mapping[str, Run]) -> None:
    from rich.console import Console

    from afanet.report.table import metrics_table

    tasks = next(iter(runs.values())).tasks
    columns = {}
    for title, run in runs.items():
        columns[title] = run.scores
        if "validation" in run.results:
            columns[f"{title}, validation"] = run.results["validation"]
    Console().print(metrics_table(columns, tasks))
