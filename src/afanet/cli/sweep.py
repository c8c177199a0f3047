"""`afanet sweep`: searches keys of a recipe for better values."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afanet.cli.flags import add_recipe_flags, add_trust_flag, overrides, path_flag
from afanet.files import path_in, write_all

if TYPE_CHECKING:
    from afanet.sweeps.outcome import Outcome

PAGE, TABLE, BEST = "sweep.html", "trials.csv", "best.yaml"


def add_sweep_command(commands: Any, words: Sequence[str]) -> None:
    """Add the command; every flag of `train` is one of `sweep`."""
    sweep: ArgumentParser = commands.add_parser(
        "sweep",
        help="search keys of a recipe for better values",
        description="Train a recipe with many values of some of its keys, and report which are best and whether they "
        "are better than the recipe's own. Give the same command on other machines to share the work, and again after "
        "an interruption to continue.",
        allow_abbrev=False,
    )
    sweep.set_defaults(command=_sweep, parser=sweep)
    sweep.add_argument("recipe", metavar="RECIPE", help="a recipe's name or a YAML file")
    sweep.add_argument(
        "--over",
        action="append",
        metavar="KEY=SPEC",
        help="a key and its range: LOW:HIGH, log:LOW:HIGH (uniform in the logarithm), or choices A,B,C; repeat the "
        "flag for more keys",
    )
    sweep.add_argument(
        "--trials", type=int, default=20, help="number of trials, of all processes together; 20 by default"
    )
    sweep.add_argument(
        "--repeat",
        type=int,
        default=3,
        help="number of new seeds for the best trial and the unchanged recipe; 3 by default",
    )
    sweep.add_argument(
        "--storage", metavar="URL", help="database that the processes share, sweep.db in the folder --out by default"
    )
    sweep.add_argument(
        "--out", type=path_flag, metavar="FOLDER", help="folder for the trials' runs, runs/sweep-RECIPE by default"
    )
    add_trust_flag(sweep)
    add_recipe_flags(sweep, words)


def _sweep(given: Namespace) -> None:
    from afanet.recipe.code import with_code
    from afanet.runs.repeat import recipe_to_train
    from afanet.sweeps.database import default_storage
    from afanet.sweeps.space import read_space
    from afanet.sweeps.sweep import Plan, run_sweep
    from afanet.training.run import resolve

    recipe = recipe_to_train(given.recipe, overrides(given))
    space = read_space(recipe, given.over or [])
    out = given.out or path_in(Path("runs"), f"sweep-{recipe.name}")
    storage = given.storage if given.storage is not None else default_storage(out)
    show_outcome(run_sweep(Plan(with_code(resolve(recipe)), space, out, storage, given.trials, given.repeat)), out)


def show_outcome(outcome: Outcome, out: Path) -> None:
    """Print the table and the outcome; write both, the page and the best recipe into the folder `out`."""
    from afanet.recipe.load import dump_recipe
    from afanet.report.sweep_page import sweep_page
    from afanet.sweeps.sweep import best_recipe
    from afanet.sweeps.tables import rows_csv, sentences, terminal_table
    from afanet.terminal import show

    best = best_recipe(outcome)
    written = {out / TABLE: rows_csv(outcome), out / PAGE: sweep_page(outcome)}
    write_all(written | ({out / BEST: dump_recipe(best)} if best is not None else {}))
    show(terminal_table(outcome))
    for sentence in sentences(outcome):
        print(sentence)
    print(f"{out}: {PAGE}, {TABLE}{f', {BEST}' if best is not None else ''}; open {PAGE} in a browser")
