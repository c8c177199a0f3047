"""`afanet label`: a finished network labels images that have no labels."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afanet.cli.flags import add_tasks_flag, add_trust_flag, given_tasks, path_flag
from afanet.cli.present import require_present_model
from afanet.errors import InputError

if TYPE_CHECKING:
    from afanet.labelling import Labelled

RECIPE = "recipe.yaml"  # declares the columns of the table beside it


def add_label_command(commands: Any) -> None:
    """Add the command."""
    label: ArgumentParser = commands.add_parser(
        "label",
        help="let a network label images that have no labels",
        description="Label images by a finished run, or by an ONNX file of `afanet export`, which needs no torch. "
        "Writes a table with a confidence for each label, and dense labels as files beside it. Never changes labels "
        "made by people.",
        allow_abbrev=False,
    )
    label.set_defaults(command=_label, parser=label)
    add_trust_flag(label)
    label.add_argument(
        "source", type=path_flag, metavar="SOURCE", help="a run, a saved folder, hub:OWNER/NAME or an exported file"
    )
    label.add_argument("images", nargs="*", metavar="IMAGES", help="pictures, folders of them, or patterns")
    label.add_argument(
        "--out",
        type=path_flag,
        metavar="TABLE",
        required=True,
        help="the table to write, a .csv or .parquet file in a folder above the images",
    )
    add_tasks_flag(label, "label only these tasks, and compute only what they need; all by default")
    label.add_argument(
        "--threshold",
        type=float,
        metavar="X",
        help="confidence, 0 to 1, below which cells stay empty and pixels become void",
    )
    label.add_argument(
        "--fill",
        action="store_true",
        help="fill the empty cells of an existing TABLE, in rows of the split train, and add IMAGES that it does not "
        "list; without IMAGES, label all its images",
    )
    label.add_argument("--batch-size", type=int, default=8, metavar="N", help="photos at a time, 8 by default")
    label.add_argument("--device", help="auto, cpu, cuda, cuda:1 or mps; the recipe's by default")


def _label(given: Namespace) -> None:
    require_present_model(given.source)
    from afanet.labelling.label_images import require_out

    require_out(given.out, given.fill)
    images, faults = _images(given.images, given.fill)
    declared = _declared(given.out) if given.fill else {}
    from afanet.labelling import label
    from afanet.progress import Bar

    with ExitStack() as stack:

        def begin(total: int) -> Callable[[], None]:
            line = f"labelling {total} image{'s' if total > 1 else ''}" if total else ""
            return stack.enter_context(Bar(total, "labelling", line=line)).advance

        done = label(
            given.source,
            images,
            given.out,
            tasks=given_tasks(given),
            threshold=given.threshold,
            fill=given.fill,
            batch_size=given.batch_size,
            device=given.device,
            declared=declared,
            begin=begin,
        )
    _report(done)
    if faults := [*faults, *done.faults]:
        raise _unusable(faults)


def _images(inputs: Sequence[str], fill: bool) -> tuple[list[Path], list[str]]:
    """The pictures and arrays that the arguments name, and a sentence for each argument that names none."""
    from afanet.inference.find import VIDEOS, find_photos

    if not inputs and not fill:
        raise InputError("there is no image to label: name pictures or folders, or fill a table with --fill")
    files, faults = find_photos(inputs)
    images = [file for file in files if file.suffix.lower() not in VIDEOS]
    if len(images) < len(files):
        faults.append(f"{len(files) - len(images)} videos are left out: a table lists pictures, so take frames of them")
    if inputs and not images:
        raise _unusable(faults)
    return images, faults


def _declared(table: Path) -> dict[str, Any]:
    """How the recipe beside a table declares its columns, by task; nothing without such a recipe."""
    recipe = table.with_name(RECIPE)
    if not recipe.is_file():
        return {}
    from afanet.yaml_file import read_yaml

    recipe_keys = read_yaml(recipe, str(recipe))
    data = recipe_keys.get("data") if isinstance(recipe_keys, dict) else None
    options = data.get("options") if isinstance(data, dict) else None
    if not isinstance(options, dict) or options.get("manifest", "manifest.csv") != table.name:
        return {}
    tasks = options.get("tasks")
    return (
        {str(name): keys for name, keys in tasks.items() if isinstance(keys, dict)} if isinstance(tasks, dict) else {}
    )


def _report(done: Labelled) -> None:
    """Print what was labelled, and how a recipe declares it."""
    from rich.table import Table

    from afanet.terminal import show

    table = Table("task", box=None, pad_edge=False)
    for title in ("filled", "left empty", "mean confidence"):
        table.add_column(title, justify="right")
    for name, count in done.tasks.items():
        mean = "-" if count.mean is None else f"{count.mean:.4f}"
        table.add_row(name, str(count.filled), str(count.below), mean)
    if done.tasks:
        show(table)
    for note in done.notes:
        print(note)
    if done.added:
        print(f"{done.added} image{'s' if done.added > 1 else ''} added to the table, in the split train")
    if done.held_out:
        rows = (
            "1 row of the splits validation and test keeps its"
            if done.held_out == 1
            else (f"{done.held_out} rows of the splits validation and test keep their")
        )
        print(f"{rows} empty cells: machine-made labels would falsify the scores")
    if not done.filled:
        print(f"{done.table}: nothing to fill")
        return
    labels = f"{done.filled} label{'s'[: done.filled != 1]}"
    print(f"{done.table}: {labels}, which its column machine_made marks; declare them under data.options:")
    print(done.declaration(), end="")


def _unusable(faults: Sequence[str]) -> InputError:
    lines = [fault.replace("\n", "\\n") for fault in faults]
    return InputError("\n  ".join([f"{len(lines)} of the images cannot be used:", *lines]))
