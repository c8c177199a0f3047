"""`afanet inspect`: what each task takes from the others."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import Any

from afanet.cli.flags import add_trust_flag, path_flag
from afanet.cli.present import require_present_run
from afanet.errors import InputError
from afanet.files import write_whole
from afanet.json_text import to_json

LIMIT = 200


def add_inspect_command(commands: Any) -> None:
    """Add the command."""
    inspect: ArgumentParser = commands.add_parser(
        "inspect",
        help="see which task takes what from which in a finished run",
        description="Show how much each task takes from the others at each fusion layer and what each connection is "
        "worth, on test images, and where each task takes it in photos.",
        allow_abbrev=False,
    )
    inspect.set_defaults(command=_inspect, parser=inspect)
    add_trust_flag(inspect)
    inspect.add_argument("run", type=path_flag, metavar="RUN", help="a run, a saved folder, or hub:OWNER/NAME")
    inspect.add_argument("images", type=path_flag, nargs="*", metavar="IMAGE", help="photos of any size, if any")
    inspect.add_argument(
        "--out", type=path_flag, metavar="FOLDER", help="for inspect.html and inspect.json, RUN by default"
    )
    inspect.add_argument(
        "--limit",
        type=int,
        default=LIMIT,
        help=f"test images to read shares and cut connections on, {LIMIT} by default; 0 for photos only",
    )


def _inspect(given: Namespace) -> None:
    if given.limit < 0:
        raise InputError(f"--limit is {given.limit}, expected 0 or more")
    require_present_run(given.run)
    from afanet.inspection.connections import read_photos
    from afanet.inspection.inspect_run import inspect_run
    from afanet.recipe.preprocessing import normalisation
    from afanet.report.connections import connections, flow_table
    from afanet.report.inspect_page import inspect_page
    from afanet.runs.run import load_run
    from afanet.terminal import console, show

    run = load_run(given.run)
    folder = given.out or run.folder.output("inspect.html").parent
    data = run.recipe.data
    taken = normalisation(run.recipe.network)
    images = read_photos(given.images, data.size, data.resize, taken) if given.images else None
    inspection = inspect_run(run, images, given.limit)
    names = list(inspection.tasks)
    ids = [str(file) for file in given.images]
    rows = [
        row | {"changes": {name: asdict(change) for name, change in row["changes"].items()}}
        for row in connections(inspection.readings, inspection.cuts, names)
    ]
    photos = {
        name: {layer: reading.flow[index].tolist() for layer, reading in inspection.photos.items()}
        for index, name in enumerate(ids)
    }
    content = {"note": inspection.note, "tasks": names, "connections": rows, "photos": photos}
    page = inspect_page(str(given.run), ids, images, inspection, taken)
    write_whole(folder / "inspect.html", page)
    write_whole(folder / "inspect.json", to_json(content, indent=2) + "\n")
    if rows:
        show(flow_table(inspection.readings, inspection.cuts, inspection.tasks, console().width), keys=3)
    shown = "shows it on the images" if given.images else "shows it as drawings" if rows else "says so too"
    print(f"{inspection.note} {folder / 'inspect.html'} {shown}")
