"""`afanet inspect`: what each task took of the others."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
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
        "--limit", type=int, default=LIMIT, help=f"test images to cut connections on, {LIMIT} if not given; 0 for none"
    )


def _inspect(given: Namespace) -> None:
    from rich.console import Console

    from afanet.comparison.borrowing import cut_effects, gates_of, read_photos
    from afanet.comparison.look import Predictor
    from afanet.comparison.runs import Finished
    from afanet.report.borrowed import borrowed_page, connections, flow_table
    from afanet.training.folder import strict
    from afanet.training.setup import open_tasks

    if given.limit < 0:
        raise InputError(f"--limit is {given.limit}, expected 0 or more")
    run = Finished.read(given.run)
    data, tasks = open_tasks(run.recipe)
    predictor = Predictor(run, tasks)
    images = read_photos(given.images, run.recipe.data.size)
    gates = gates_of(predictor, images)
    cuts = cut_effects(predictor, data, given.limit) if given.limit else []
    used = min(given.limit, len(data.test))
    note = f"Connections were cut on {used} of {len(data.test)} test images." if cuts else "No connection was cut."
    folder = given.out or run.folder.path
    ids = [str(file) for file in given.images]
    rows = connections(gates, cuts, list(tasks))
    told = [row | {"changes": {name: asdict(change) for name, change in row["changes"].items()}} for row in rows]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        page = borrowed_page(str(given.run), ids, images, gates, cuts, tasks, note)
        (folder / "inspect.html").write_text(page, encoding="utf-8")
        (folder / "inspect.json").write_text(json.dumps(strict({"note": note, "connections": told}), indent=2) + "\n")
    except OSError as error:
        raise InputError(f"folder {folder} cannot be written: {error.strerror}") from None
    console = Console()
    console.print(flow_table(gates, cuts, tasks))
    console.print(
        f"{note} {folder / 'inspect.html'} shows it on the images", markup=False, highlight=False, soft_wrap=True
    )
