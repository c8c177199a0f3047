"""The command line's parser and its shorter commands."""

from __future__ import annotations

import errno
import re
import sys
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any, NoReturn

from afanet import __version__
from afanet.cli.balancing import add_balancing_command
from afanet.cli.compare import add_compare_commands
from afanet.cli.completion import add_completion_command
from afanet.cli.data import add_data_commands
from afanet.cli.demo import add_demo_command
from afanet.cli.doctor import add_doctor_command
from afanet.cli.evaluate import add_evaluate_command
from afanet.cli.export import add_export_command
from afanet.cli.flags import add_recipe_flags, add_trust_flag, overrides, path_flag, trust
from afanet.cli.inspect import add_inspect_command
from afanet.cli.interrupted import how_to_go_on
from afanet.cli.label import add_label_command
from afanet.cli.predict import add_predict_command
from afanet.cli.refusal import printable, reason, refuse
from afanet.cli.results import add_results_command
from afanet.cli.scores import print_scores, print_since
from afanet.cli.share import add_share_commands
from afanet.cli.sweep import add_sweep_command
from afanet.cli.tasks import add_tasks_command
from afanet.cli.weights import add_weights_command
from afanet.distributed.started import is_main_process, require_ranks
from afanet.errors import InputError, unknown
from afanet.install import missing_package
from afanet.outside import short_name
from afanet.streams import Lenient, standard_streams

LONG_WORD = re.compile(r"\S{120,}")  # a word that argparse would repeat in full


# The extra of each command that needs more than `train`; such an extra includes `train`.
EXTRAS = {"demo": "demo", "export": "export", "push": "hub", "sweep": "sweep"}
KILLED = "DataLoader worker"  # the beginning of a message of torch
UNREAD = 141  # a shell's exit status for a program whose reader, such as `head`, has left
NO_MEMORY = ("allocate memory", "out of memory")  # in torch's messages


class Parser(ArgumentParser):
    """A parser whose complaints are `InputError`s like any other."""

    def _check_value(self, action: Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise unknown(str(action.metavar or action.dest).lower(), str(value), map(str, action.choices))

    def error(self, message: str) -> NoReturn:
        message = LONG_WORD.sub(lambda word: f"{word[0][:100]}...", message)
        raise InputError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 2 for bad input, 130 if interrupted, 141 if nobody reads on."""
    with standard_streams() as output:
        try:
            status = _run(list(sys.argv[1:] if arguments is None else arguments))
        except SystemExit as end:  # from a help text, a failed process, or code from outside
            if isinstance(end.code, str):
                raise
            raise SystemExit(_written(output, int(end.code or 0))) from None
        return _written(output, status)


def _written(output: Lenient, status: int) -> int:
    """The exit status of a command that ends with `status`, unless its output could not be written."""
    output.flush()
    if output.error is None or status:
        return status
    if output.error.errno == errno.EPIPE:
        return UNREAD
    return refuse(f"the standard output cannot be written: {output.error.strerror}")


def _run(words: list[str]) -> int:
    try:
        given = parse(words)
        require_ranks()
        trust(given)
        given.command(given)
    except InputError as error:
        return refuse(str(error))
    except OSError as error:  # such as a full disk or an unreadable folder
        return refuse(reason(error))
    except ModuleNotFoundError as error:
        package = (error.name or "afanet").partition(".")[0]
        if package == "afanet":
            raise
        return refuse(missing_package(package, _extra(words)))
    except (MemoryError, RuntimeError) as error:
        # torch has no error classes for too little memory on the CPU and for a killed worker.
        if KILLED in str(error):
            return refuse("a process that reads samples was killed, probably for lack of memory: lower --workers")
        if isinstance(error, RuntimeError) and not any(sign in str(error) for sign in NO_MEMORY):
            raise
        return refuse("this takes more memory than there is: give smaller images, a smaller batch or fewer at a time")
    except KeyboardInterrupt:
        if (advice := how_to_go_on(words)) and is_main_process():
            print(f"afanet: {printable(advice)}", file=sys.stderr)
        return 130
    return 0


def parse(words: Sequence[str]) -> Namespace:
    """The command and its flags; an unknown flag is an `InputError` that names the nearest."""
    parser = Parser(prog="afanet", description="Train and evaluate multi-task networks.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"afanet {__version__}")
    commands = parser.add_subparsers(title="commands", dest="chosen", metavar="COMMAND", required=True)

    _add_train_command(commands, words)
    recipes = commands.add_parser(
        "recipes",
        help="list the recipes",
        description="List the recipes that come with the package.",
        allow_abbrev=False,
    )
    recipes.set_defaults(command=_recipes, parser=recipes)

    add_balancing_command(commands)
    add_evaluate_command(commands)
    add_compare_commands(commands, words)
    add_sweep_command(commands, words)
    add_inspect_command(commands)
    add_export_command(commands)
    add_predict_command(commands)
    add_label_command(commands)
    add_demo_command(commands)
    add_share_commands(commands)
    add_tasks_command(commands)
    add_weights_command(commands)
    add_results_command(commands)
    add_doctor_command(commands)
    add_completion_command(commands, parser)

    data = commands.add_parser("data", help="check and prepare data", description="Check and prepare data.")
    add_data_commands(data, words)

    given, rest = parser.parse_known_args(words)
    if rest and rest[0].startswith("-"):
        raise unknown("flag", rest[0].partition("=")[0], given.parser._option_string_actions)
    if rest:
        raise InputError(f"argument '{rest[0]:.120}' is one too many (see {given.parser.prog} --help)")
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
    train.add_argument("--print-config", action="store_true", help="print the complete recipe and train nothing")
    train.add_argument(
        "--out", type=path_flag, metavar="FOLDER", help="run folder, runs/RECIPE-METHOD-seedN by default"
    )
    add_trust_flag(train)
    add_recipe_flags(train, words)


def _extra(words: Sequence[str]) -> str:
    """The extra that the command needs; `predict` and `label` with an ONNX or OpenVINO file need no torch.

    >>> _extra(["train", "rooms"]), _extra(["predict", "model.onnx", "photo.jpg"])
    ('train', 'onnx')
    """
    if words[:1] in (["predict"], ["label"]):
        for suffix, extra in ((".onnx", "onnx"), (".xml", "openvino")):
            if any(word.lower().endswith(suffix) for word in words):
                return extra
    return EXTRAS.get(words[0], "train")


def _train(given: Namespace) -> None:
    from afanet.recipe.load import dump_recipe, opening_lines, recipe_names
    from afanet.runs.repeat import recipe_to_train

    recipe = recipe_to_train(given.recipe, overrides(given))
    if given.print_config:
        if given.recipe in recipe_names():
            print(*opening_lines(given.recipe), sep="\n")
        print(dump_recipe(recipe), end="")
        return
    from afanet.report.pictures import draw_predictions
    from afanet.runs.examples import predict_examples
    from afanet.training.run import train

    run = train(recipe, given.out, resume=given.resume)
    examples = predict_examples(run)
    drawn = {"prediction": examples.predictions}
    draw_predictions(run.folder.picture, examples.samples, run.tasks, drawn, examples.normalisation)
    print_scores({short_name(recipe.network.method): run})
    compared = run.recipe.start_from is not None and print_since(run, run.recipe.start_from)
    since = ", since.json" if compared else ""
    print(f"{run.path}: recipe.yaml, metrics.json, log.csv, weights.safetensors, last.ckpt, predictions.png{since}")


def _recipes(given: Namespace) -> None:
    from rich.table import Table

    from afanet.recipe.load import describe_recipe, recipe_names
    from afanet.terminal import show

    table = Table("recipe", "what it trains", box=None, pad_edge=False)
    for name in recipe_names():
        table.add_row(name, describe_recipe(name))
    show(table)
