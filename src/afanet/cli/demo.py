"""`afanet demo`: a comparison on generated rooms, or a page to try a finished run on."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from time import perf_counter
from typing import Any

from afanet.cli.compare import PAGE, show_runs
from afanet.cli.flags import add_trust_flag, path_flag
from afanet.cli.present import require_present_model
from afanet.errors import InputError

HOST, PORT = "127.0.0.1", 7860
FOLDER = Path("runs/demo")


def add_demo_command(commands: Any) -> None:
    """Add the command."""
    demo: ArgumentParser = commands.add_parser(
        "demo",
        help="try a run on photos in a browser; without RUN, train and compare two methods on generated rooms",
        description="With RUN: serve a page on this machine to try the run on photos. Without RUN: train "
        "single-task networks and AFA on generated rooms and compare them, which takes minutes on two cores.",
        allow_abbrev=False,
    )
    demo.set_defaults(command=_demo, parser=demo)
    add_trust_flag(demo)
    demo.add_argument(
        "model",
        nargs="?",
        type=path_flag,
        metavar="RUN",
        help="a run, a saved folder, hub:OWNER/NAME or an exported file",
    )
    demo.add_argument("--host", help=f"address to serve at, {HOST} (this machine only) by default")
    demo.add_argument("--port", type=int, help=f"port to serve at, {PORT} by default; 0 for any free port")
    demo.add_argument(
        "--public",
        nargs="*",
        metavar="NAME",
        help="serve at a --host that others on the network can reach; they open the page by its address, "
        "or by a NAME given here",
    )


def _demo(given: Namespace) -> None:
    if given.model:
        _serve(given)
        return
    for flag in ("host", "port", "public"):
        if getattr(given, flag) is not None:
            raise InputError(
                f"--{flag} is for the page of a run, and no RUN is given: give a RUN first, as in "
                f"`afanet demo {FOLDER / 'afa'} --{flag} ...`"
            )
    _compare()


def _serve(given: Namespace) -> None:
    require_present_model(given.model)
    from afanet.demo import Exhibit, FileExhibit, find_address, serve
    from afanet.inference.formats import suffix_of
    from afanet.runs.run import load_run

    address = find_address(HOST if given.host is None else given.host, given.public)

    def ready(url: str) -> None:
        print(f"{given.model} can be tried at {url}; Ctrl-C ends it", flush=True)
        if given.public is not None:
            print(
                "everybody on the network can use the page and send photos to this machine, without a password or "
                f"encryption; the page answers to its addresses and to {', '.join(sorted(address.names))}",
                flush=True,
            )

    exhibit = FileExhibit(given.model) if suffix_of(given.model) else Exhibit(load_run(given.model))
    serve(exhibit, address, PORT if given.port is None else given.port, ready)


def _compare() -> None:
    started = perf_counter()
    from afanet.comparison.costs import measure_costs
    from afanet.comparison.groups import group_runs
    from afanet.report.demo import PICTURE, run_demo

    runs = list(run_demo(FOLDER).values())
    measure_costs(group_runs(runs))
    show_runs(runs, FOLDER / PAGE, FOLDER)
    print(f"{FOLDER / PICTURE} shows held-out rooms; one seed each, {perf_counter() - started:.0f} s in all")
    print(f"afanet demo {FOLDER / 'afa'} opens a page to try it on photos")
