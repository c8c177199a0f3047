"""`afanet inspect`: what each task takes from the others."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from afanet.cli.flags import add_trust_flag, path_flag
from afanet.cli.present import require_present_run
from afanet.errors import InputError
from afanet.files import write_whole
from afanet.inspection import LIMIT
from afanet.json_text import to_json


def add_inspect_command(commands: Any) -> None:
    """Add the command."""
    inspect: ArgumentParser = commands.add_parser(
        "inspect",
        help="see which task takes what from which in a finished run",
        description="Show, on test images, how much each task takes from the others at each fusion layer and what each "
        "connection is worth. Show where in the image each task takes it, on your photos or on some test images.",
        allow_abbrev=False,
    )
    inspect.set_defaults(command=_inspect, parser=inspect)
    add_trust_flag(inspect)
    inspect.add_argument("run", type=path_flag, metavar="RUN", help="a run, a saved folder, or hub:OWNER/NAME")
    inspect.add_argument(
        "images", type=path_flag, nargs="*", metavar="IMAGE", help="photos of any size; test images by default"
    )
    inspect.add_argument(
        "--out", type=path_flag, metavar="FOLDER", help="folder for inspect.html and inspect.json, RUN by default"
    )
    inspect.add_argument(
        "--limit",
        type=int,
        help=f"number of test images to read shares and cut connections on, {LIMIT} by default; 0 for photos only; "
        "with --constant also the number to score, all by default",
    )
    inspect.add_argument(
        "--constant",
        action="store_true",
        help="also score with all gates fixed at their mean over the test images: do images need gates of their own?",
    )


def _inspect(given: Namespace) -> None:
    if given.limit is not None and given.limit < 0:
        raise InputError(f"--limit is {given.limit}, expected 0 or more")
    require_present_run(given.run)
    from afanet.inspection.connections import read_photos
    from afanet.inspection.inspect_run import inspect_run
    from afanet.recipe.preprocessing import normalisation
    from afanet.report.connections import flow_table
    from afanet.report.constant import constant_table, constant_words
    from afanet.report.inspect_page import inspect_content, inspect_page
    from afanet.runs.run import load_run
    from afanet.terminal import console, show

    run = load_run(given.run)
    folder = given.out or run.folder.output("inspect.html").parent
    data = run.recipe.data
    taken = normalisation(run.recipe.network)
    images = read_photos(given.images, data.size, data.resize, taken) if given.images else None
    inspection = inspect_run(run, images, given.limit, given.constant)
    ids = [str(file) for file in given.images] or inspection.ids
    page = inspect_page(str(given.run), ids, inspection.images, inspection, taken)
    write_whole(folder / "inspect.html", page)
    write_whole(folder / "inspect.json", to_json(inspect_content(ids, inspection), indent=2) + "\n")
    known = bool(inspection.readings or inspection.cuts)
    if known:
        show(flow_table(inspection.readings, inspection.cuts, inspection.tasks, console().width), keys=3)
    if inspection.constant:
        show(constant_table(inspection.constant, inspection.tasks, console().width), keys=2)
        print(constant_words(inspection.constant, inspection.tasks))
    shown = "shows it on the images" if ids else "shows it as drawings" if known else "says so too"
    print(f"{inspection.note} {folder / 'inspect.html'} {shown}")
