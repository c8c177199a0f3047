"""`afanet inspect`: what each task took of the others."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from afanet.errors import InputError

LIMIT = 200


def add_inspect_command(commands: Any) -> None:
    """Add the command."""
    inspect: ArgumentParser = commands.add_parser(
        "inspect",
        help="see who borrowed what from whom in a finished run",
        description="Show for images how much each task took of the others at each fusion layer, and what each "
        "connection is worth on the test split.",
        allow_abbrev=False,
    )
    inspect.set_defaults(command=_inspect, parser=inspect)
    inspect.add_argument("run", type=Path, metavar="RUN", help="folder of the run")
    inspect.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="photos of any size")
    inspect.add_argument(
        "--out", type=Path, metavar="FOLDER", help="for inspect.html and inspect.json, RUN if not given"
    )
    inspect.add_argument(
        "--limit",
        type=int,
        default=LIMIT,
        help=f"test images to read shares and cut connections on, {LIMIT} if not given; 0 for none, without data",
    )


def _inspect(given: Namespace) -> None:
    from rich.console import Console

    from afanet.comparison.borrowing import borrow, gates_of, read_gates, read_photos
    from afanet.comparison.look import Loaded, Predictor
    from afanet.comparison.runs import Finished
    from afanet.report.borrowed import connections, flow_table
    from afanet.report.inspect_page import inspect_page
    from afanet.tasks import Described
    from afanet.training.folder import strict
    from afanet.training.setup import open_tasks

    if given.limit < 0:
        raise InputError(f"--limit is {given.limit}, expected 0 or more")
    run = Finished.read(given.run)
    images = read_photos(given.images, run.recipe.data.size)
    tasks: Mapping[str, Described] = run.described
    opened, note = None, "Shares are of the images below alone, and no connection was cut."
    if given.limit or not tasks:
        try:
            opened = open_tasks(run.recipe)
            tasks = opened[1]
        except InputError as error:
            if not tasks:
                raise
            note += f" The data cannot be read: {error}."
    if opened and given.limit:
        predictor = Predictor(run, opened[1])
        gates = gates_of(predictor, images)
        found = borrow(predictor, opened[0], given.limit)
        readings, cuts = found.readings, found.cuts
        note = f"Shares are means over {found.images} of {found.total} test images, on which connections were cut."
    else:
        gates = gates_of(Loaded(run, tasks), images)
        readings, cuts = read_gates(gates), []
    names = list(tasks)
    ids = [str(file) for file in given.images]
    rows = [
        row | {"changes": {name: asdict(change) for name, change in row["changes"].items()}}
        for row in connections(readings, cuts, names)
    ]
    photos = {
        name: {layer: one.flow[place].tolist() for layer, one in read_gates(gates).items()}
        for place, name in enumerate(ids)
    }
    told = {"note": note, "tasks": names, "connections": rows, "photos": photos}
    folder = given.out or run.folder.path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        page = inspect_page(str(given.run), ids, images, gates, readings, cuts, tasks, note)
        (folder / "inspect.html").write_text(page, encoding="utf-8")
        (folder / "inspect.json").write_text(json.dumps(strict(told), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"folder {folder} cannot be written: {error.strerror}") from None
    console = Console()
    console.print(flow_table(readings, cuts, tasks))
    console.print(
        f"{note} {folder / 'inspect.html'} shows it on the images", markup=False, highlight=False, soft_wrap=True
    )
