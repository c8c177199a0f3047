"""`afanet demo`: a comparison on generated rooms, or a page on which a finished run is tried."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from time import perf_counter
from typing import Any

from afanet.cli.compare import PAGE, show_runs

HOST, PORT = "127.0.0.1", 7860


def add_demo_command(commands: Any) -> None:
    """Add the command."""
    demo: ArgumentParser = commands.add_parser(
        "demo",
        help="try a run on photos in a browser; without one, train two methods on generated rooms",
        description="With RUN: serve a page on this machine, on which the run is tried on photos. Without: train "
        "single-task networks and AFA on generated rooms and compare them, which takes minutes on two cores.",
        allow_abbrev=False,
    )
    demo.set_defaults(command=_demo, parser=demo)
    demo.add_argument("run", nargs="?", type=Path, metavar="RUN", help="folder of a finished run")
    demo.add_argument("--host", default=HOST, help=f"address to serve at, {HOST} (this machine alone) if not given")
    demo.add_argument("--port", type=int, default=PORT, help=f"{PORT} if not given; 0 for any that is free")


def _demo(given: Namespace) -> None:
    if given.run:
        _serve(given)
    else:
        _compare()


def _serve(given: Namespace) -> None:
    from afanet.comparison.runs import Finished
    from afanet.demo import Exhibit, serve

    def ready(address: str) -> None:
        print(f"{given.run} can be tried at {address}; Ctrl-C ends it", flush=True)

    serve(Exhibit(Finished.read(given.run)), given.host, given.port, ready)


def _compare() -> None:
    started = perf_counter()
    from afanet.comparison.costs import measure_costs
    from afanet.comparison.runs import Finished, group_runs
    from afanet.report.demo import PICTURE, run_demo

    folder = Path("runs/demo")
    runs = [Finished.read(run.folder.path) for run in run_demo(folder).values()]
    measure_costs(group_runs(runs))
    show_runs(runs, folder / PAGE, folder)
    print(f"{folder / PICTURE} shows held-out rooms; one seed each, {perf_counter() - started:.0f} s in all")
    print(f"afanet demo {folder / 'afa'} opens a page to try it on photos")
