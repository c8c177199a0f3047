"""`afanet compare` and `afanet report`: several runs compared."""

from __future__ import annotations

import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afanet.cli.flags import add_recipe_flags, add_trust_flag, overrides, path_flag
from afanet.cli.present import require_present_run
from afanet.errors import InputError, unknown
from afanet.files import path_in, write_whole
from afanet.networks.methods import compared
from afanet.outside import short_name

if TYPE_CHECKING:
    from afanet.comparison.compare import Comparison
    from afanet.comparison.plan import Planned
    from afanet.recipe.schema import Recipe
    from afanet.report.examine import Examination
    from afanet.runs.run import Run

PAGE = "report.html"


def add_compare_commands(commands: Any, words: Sequence[str]) -> None:
    """Add both commands; every flag of `train` is one of `compare`."""
    compare: ArgumentParser = commands.add_parser(
        "compare",
        help="train several methods with several seeds and compare them",
        description="Train several methods by one recipe, with several seeds or folds, and compare them. Runs that are "
        "finished already are kept.",
        allow_abbrev=False,
    )
    compare.set_defaults(command=_compare, parser=compare, words=words)
    compare.add_argument("recipe", metavar="RECIPE", help="a recipe's name or a YAML file")
    compare.add_argument(
        "--methods",
        help=f"methods separated by commas, {','.join(compared())} by default; your own as FILE.py:CLASS",
    )
    compare.add_argument(
        "--variants",
        metavar="FILE",
        help="compare variants instead of methods: 'ablations', or a YAML file that gives each variant's recipe keys",
    )
    compare.add_argument(
        "--seeds", type=int, help="number of seeds, starting at --seed; 3 by default, with --folds 1 for each fold"
    )
    compare.add_argument(
        "--folds",
        metavar="F,F,...",
        help="folds of the data to test on and average over, such as 0,1,2,3,4 for adience",
    )
    _add_two_stage_flag(compare)
    compare.add_argument(
        "--out", type=path_flag, metavar="DIR", help="folder for the runs, runs/compare-RECIPE by default"
    )
    compare.add_argument("--only", metavar="I/N", help="train only part I of N on this machine, such as 2/4")
    compare.add_argument(
        "--jobs", action="store_true", help="train nothing; print one command for each run, for a scheduler"
    )
    _add_judging_flags(compare)
    add_trust_flag(compare)
    add_recipe_flags(compare, words, without=["two_stage"])

    _add_report_command(commands)


def _add_report_command(commands: Any) -> None:
    report: ArgumentParser = commands.add_parser(
        "report",
        help="compare finished runs in one HTML page",
        description="Compare finished runs: print a table, and write an HTML page that opens from disk.",
        allow_abbrev=False,
    )
    report.set_defaults(command=_report, parser=report)
    report.add_argument("runs", nargs="+", type=path_flag, metavar="RUN", help="folders of finished runs")
    report.add_argument(
        "--out", type=path_flag, default=Path(PAGE), metavar="FILE", help=f"the page, {PAGE} by default"
    )
    _add_judging_flags(report)
    add_trust_flag(report)


def _add_two_stage_flag(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--two-stage",
        "--two_stage",
        action="store_true",
        dest="both_stages",
        help="train single-task networks first, once for each seed, and start every method from them, single-task too",
    )


def _add_judging_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--baseline", metavar="METHOD", help="the method that the others are compared with, single by default"
    )
    parser.add_argument(
        "--smallest",
        metavar="METRIC=VALUE,...",
        help="smallest change that matters, such as rmse=0.01,age.accuracy=0.02,delta_m=1; 0.5 %% by default",
    )


def _compare(given: Namespace) -> None:
    from afanet.runs.repeat import recipe_to_train

    if hasattr(given, "network.method"):
        raise InputError("compare takes --methods, separated by commas, not --method")
    if given.folds is not None and hasattr(given, "data.options.fold"):
        raise InputError("--folds and --fold were given: compare takes one of them")
    recipe = recipe_to_train(given.recipe, overrides(given))
    from afanet.comparison.groups import group_runs
    from afanet.comparison.plan import complete, part
    from afanet.runs.run import load_run
    from afanet.training.run import resolve

    recipe = resolve(recipe)
    out = given.out or path_in(Path("runs"), f"compare-{recipe.name}")
    planned = _plan(given, recipe, out)
    if given.jobs:
        words = [word for word in given.words if word != "--jobs"]
        for number in range(1, len(planned) + 1):
            print(shlex.join(["afanet", *words, "--only", f"{number}/{len(planned)}"]))
        return
    if given.smallest:
        _require_effects(given.smallest, recipe)
    complete(part(planned, given.only) if given.only else planned)
    missing = [run.folder.path.name for run in planned if not run.finished]
    if missing:
        print(f"{len(missing)} of {len(planned)} runs are still missing: {', '.join(missing)}", file=sys.stderr)
        return
    from afanet.comparison.costs import measure_costs

    runs = [load_run(run.folder.path) for run in planned]
    measure_costs(group_runs(runs))
    show_runs(runs, out / PAGE, out, given.smallest, averaged=given.both_stages, baseline=given.baseline)


def _plan(given: Namespace, recipe: Recipe, out: Path) -> list[Planned]:
    """All runs of the comparison, in the order in which they are trained."""
    from afanet.comparison.plan import by_methods, plan, read_folds
    from afanet.comparison.stages import in_two_stages, require_one_start
    from afanet.comparison.variants import read_variants

    if given.variants and given.methods:
        raise InputError("--methods and --variants were given: compare takes one of them")
    if given.variants:
        variants = read_variants(recipe, given.variants)
    else:
        variants = by_methods(recipe, given.methods.split(",") if given.methods else compared())
    if given.baseline and short_name(given.baseline) not in variants:
        raise unknown("--baseline", given.baseline, list(variants))
    folds = read_folds(given.folds)
    seeds = given.seeds if given.seeds is not None else 3 if given.folds is None else 1
    planned = plan(variants, seeds, out, folds)
    if not given.both_stages:
        return planned
    require_one_start(recipe, variants)
    return in_two_stages(planned, recipe, out)


def _require_effects(smallest: str, recipe: Recipe) -> None:
    """Raise `InputError` for a mistake in `--smallest`, before hours of training."""
    from afanet.comparison.smallest import read_smallest
    from afanet.runs.setup import open_tasks

    read_smallest(smallest, open_tasks(recipe)[1])


def _report(given: Namespace) -> None:
    require_present_run(*given.runs)
    from afanet.runs.run import load_run

    show_runs([load_run(path) for path in given.runs], given.out, smallest=given.smallest, baseline=given.baseline)


def show_runs(
    runs: Sequence[Run],
    page: Path,
    files: Path | None = None,
    smallest: str | None = None,
    averaged: bool = False,
    baseline: str | None = None,
) -> None:
    """Print the table, write the page and, into the folder `files`, write the table in other formats.

    `smallest` is the text of `--smallest`, `baseline` that of `--baseline`. With `averaged`, the table has a row for
    the average of two single-task networks, if there are two seeds and the baseline is single task.
    """
    from afanet.comparison import tables
    from afanet.comparison.groups import BASE
    from afanet.report.page import report_page
    from afanet.terminal import console, show

    comparison, examination = _side_by_side(runs, baseline or BASE, smallest, averaged)
    written = {page: report_page(comparison, examination)}
    if files:
        written |= {files / name: form(comparison) for name, form in tables.FORMS.items()}
    for file, text in written.items():
        write_whole(file, text)
    width = console().width
    show(tables.terminal_table(comparison, width), keys=2)
    if comparison.base and not tables.has_room(comparison, width):
        print(f"{width} columns have no room for intervals: see {files / 'comparison.md' if files else page}")
    for note in tables.footnotes(comparison):
        print(note)
    print(f"{page} shows all results; open it in a browser")


def _side_by_side(
    runs: Sequence[Run], baseline: str, smallest: str | None, averaged: bool
) -> tuple[Comparison, Examination | None]:
    """The comparison, and the methods at work if the data can be read; the arguments are those of `show_runs`."""
    from afanet.comparison.compare import compare_runs
    from afanet.comparison.ensemble import ensemble_scores
    from afanet.comparison.groups import BASE, group_runs
    from afanet.comparison.look import Looked, kept_scores, to_look_at
    from afanet.comparison.smallest import read_smallest
    from afanet.report.examine import examine

    groups = group_runs(runs, baseline)
    try:
        data, tasks = groups[0].runs[0].open()
    except InputError as error:
        if not (described := groups[0].runs[0].described):
            raise
        note = f"pictures, details and flows are left out, since the data cannot be read: {error}"
        effects = read_smallest(smallest, described)
        return compare_runs(runs, described, kept_scores(groups), [note], effects, baseline=baseline), None
    effects = read_smallest(smallest, tasks)
    examination = examine(groups, data, tasks, baseline)
    ensemble = ensemble_scores(groups[0].runs) if averaged and groups[0].title == BASE else None
    known = {group.runs[0].path: examination.methods[group.title].look.scores for group in groups}
    looked = Looked(to_look_at(groups), tasks, data, known)
    comparison = compare_runs(runs, tasks, looked, smallest=effects, ensemble=ensemble, baseline=baseline)
    return comparison, examination
