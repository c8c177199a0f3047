"""The commands for data: init, check and prepare."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from afanet.cli.flags import OPTION, add_recipe_flags, add_trust_flag, overrides, path_flag
from afanet.cli.prepare import add_prepare_command
from afanet.cli.present import require_present_data
from afanet.errors import InputError
from afanet.files import write_whole
from afanet.json_text import to_json
from afanet.limits import readers
from afanet.paths import IMAGE_FOLDER, require_folder

if TYPE_CHECKING:
    from afanet.data import Data
    from afanet.data.checks.survey import Survey


def add_data_commands(parser: ArgumentParser, words: Sequence[str]) -> None:
    """Add `init`, `check` and `prepare` under `afanet data`."""
    commands = parser.add_subparsers(title="commands", dest="data_command", metavar="COMMAND", required=True)
    init = commands.add_parser(
        "init",
        help="write a first manifest and recipe for a folder of images",
        description="Write manifest.csv and recipe.yaml into a folder of images. Labels are read from the label files, "
        "the class folders, the table or the annotation files in the folder.",
        allow_abbrev=False,
    )
    init.set_defaults(command=_init, parser=init)
    init.add_argument(
        "path",
        type=path_flag,
        metavar="FOLDER|FILE",
        help="folder with images, or with images/; or a table of labels (.csv, .parquet) or an annotation file in it",
    )

    check = commands.add_parser(
        "check",
        help="read all samples once and report what is in the data",
        description="Read every sample once and report what is in the data, errors (exit status 2) and warnings.",
        allow_abbrev=False,
    )
    check.set_defaults(command=_check, parser=check)
    check.add_argument("source", metavar="RECIPE|PATH", help="a recipe's name, a YAML file, or a data set's folder")
    check.add_argument("--json", action="store_true", help="print the findings as JSON")
    check.add_argument("--html", type=path_flag, metavar="FILE", help="write a page with pictures")

    add_trust_flag(check)
    add_prepare_command(commands, words)
    add_recipe_flags(check, words, "data.")


def _init(given: Namespace) -> None:
    if not given.path.is_file():
        require_folder(given.path, IMAGE_FOLDER)
    from afanet.data.intake.init import init_manifest

    print(init_manifest(given.path))


def _check(given: Namespace) -> None:
    if _is_labels_only(given.source):
        return _check_folds(given)
    data, tasks = _open(given)
    from afanet.data.checks.survey import survey
    from afanet.progress import Bar
    from afanet.report.survey_table import survey_tables
    from afanet.terminal import show

    if given.html:  # if a package is missing, fails here, before the data are read
        import afanet.report.survey_page  # noqa: F401
    total = _samples(data)
    with Bar(total, "reading", line=f"reading {total} samples") as bar:
        result = survey(data, tasks, workers=readers(), advance=bar.advance)
    if given.html:
        _write_page(given.html, result, data)
    if given.json:
        print(to_json(result.plain(), indent=2))
    else:
        print(result.describe)
        for table in survey_tables(result):
            show(table)
        _print_findings(result.errors, result.warnings)
    if result.errors:
        raise _errors(given.source, result.errors)


def _check_folds(given: Namespace) -> None:
    """Check the labels in Adience's fold files, without the photos."""
    from afanet.data.sets.adience.adience import odd_age_warnings
    from afanet.data.sets.adience.labels import read_folds
    from afanet.data.sets.adience.report import fold_problems, fold_report, fold_survey
    from afanet.report.folds_table import folds_table
    from afanet.terminal import show

    root = Path(given.source)
    if flags := overrides(given):
        raise InputError(f"{root} has fold files but no photos, whose check takes no {next(iter(flags))}: leave it out")
    report, errors = fold_report(root), fold_problems(root)
    warnings = odd_age_warnings(read_folds(root), "map")
    warnings.append(f"{root} has no photos (aligned/ or faces/): only the labels were checked")
    result = fold_survey(report, errors, warnings)
    if given.html:
        _write_page(given.html, result)
    if given.json:
        plain = {"data": result.describe, "folds": report, "errors": errors, "warnings": warnings}
        print(to_json(plain, indent=2))
    else:
        show(folds_table(report), keys=2)
        _print_findings(errors, warnings)
    if errors:
        raise _errors(given.source, errors)


def _open(given: Namespace) -> tuple[Data, tuple[str, ...]]:
    """The data, and the names of the tasks that are trained."""
    from afanet.recipe.load import load_recipe, recipe_names

    path = Path(given.source)
    if (path / "recipe.yaml").is_file():
        path = path / "recipe.yaml"
    if given.source in recipe_names() or path.suffix in (".yaml", ".yml"):
        recipe = load_recipe(given.source if given.source in recipe_names() else path, overrides(given))
        data = recipe.data
        from afanet.data import open_data
        from afanet.data.steps import with_resize

        try:
            opened = with_resize(open_data(data.name, data.root, data.size, **data.options), data.resize)
        except InputError as error:
            if data.root is None and Path(given.source).is_dir():
                raise InputError(f"{error}; or write ./{given.source} for the folder of the recipe's name") from None
            raise
        from afanet.runs.setup import choose_tasks

        return opened, tuple(choose_tasks(recipe, opened))
    flags = overrides(given)
    if "data.root" in flags:
        raise InputError(f"{given.source} is a path, and --data gives another: give only one")
    options = {key.removeprefix(OPTION): value for key, value in flags.items() if key.startswith(OPTION)}
    require_present_data(path)
    from afanet.data import open_data
    from afanet.data.recognise import recognise
    from afanet.data.steps import with_resize

    opened = with_resize(
        open_data(recognise(path), path, flags.get("data.size"), **options), flags.get("data.resize", "stretch")
    )
    return opened, tuple(opened.tasks)


def _is_labels_only(source: str) -> bool:
    """Whether `source` is a folder with Adience's fold files but without photos, and not the name of a recipe."""
    from afanet.recipe.load import recipe_names

    root = Path(source)
    if source in recipe_names() or not any(root.glob("fold_*_data.txt")):
        return False
    from afanet.data.sets.adience.adience import FOLDERS

    return not any((root / name).is_dir() for name in FOLDERS)


def _print_findings(errors: Sequence[str], warnings: Sequence[str]) -> None:
    from afanet.data.checks.grouped import grouped

    for line in grouped(warnings):
        print(f"warning: {line}")
    for line in grouped(errors):
        print(f"error: {line}")
    if not errors and not warnings:
        print("no faults found")


def _errors(source: str, errors: Sequence[str]) -> InputError:
    count = f"{len(errors)} error{'s' if len(errors) > 1 else ''}"
    return InputError(f"{source} has {count}: correct them before you train on it")


def _write_page(file: Path, result: Survey, data: Data | None = None) -> None:
    from afanet.report.survey_page import survey_page

    write_whole(file, survey_page(result, data))


def _samples(data: Data) -> int:
    return sum(len(split) for split in data.splits.values())
