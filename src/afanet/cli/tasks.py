"""`afanet tasks`: a finished run with fewer tasks, or with tasks under other names."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Any

from afanet.cli.flags import add_trust_flag, path_flag
from afanet.cli.present import require_present_run


def add_tasks_command(commands: Any) -> None:
    """Add the command."""
    tasks: ArgumentParser = commands.add_parser(
        "tasks",
        help="list, drop or rename the tasks of a finished run",
        description="List the tasks of a finished run or, with --drop and --rename, write a run with fewer tasks, or "
        "with tasks under other names. The remaining tasks keep their outputs, bit for bit.",
        allow_abbrev=False,
    )
    tasks.set_defaults(command=_tasks, parser=tasks)
    add_trust_flag(tasks)
    tasks.add_argument("run", type=path_flag, metavar="RUN", help="a run, a saved folder, or hub:OWNER/NAME")
    tasks.add_argument("--drop", nargs="+", action="extend", default=[], metavar="TASK", help="tasks to leave out")
    tasks.add_argument(
        "--rename",
        nargs="+",
        action="extend",
        default=[],
        type=_pair,
        metavar="OLD=NEW",
        help="tasks to give another name",
    )
    tasks.add_argument(
        "--out", type=path_flag, metavar="OTHER", help="folder of the new run, which must be new or empty"
    )


def _pair(text: str) -> tuple[str, str]:
    old, sign, new = text.partition("=")
    if not (old and sign and new):
        raise ArgumentTypeError(f"{text!r:.80} is not OLD=NEW, such as age=years")
    return old, new


def _tasks(given: Namespace) -> None:
    require_present_run(given.run)
    from afanet.errors import InputError
    from afanet.runs.run import load_run

    renamed = [old for old, _ in given.rename]
    for task in renamed:
        if task in given.drop or renamed.count(task) > 1:
            raise InputError(f"task '{task}' is given twice in --rename, or also in --drop: keep one of them")
    if not given.drop and not given.rename:
        if given.out is not None:
            raise InputError("--out is for a run with other tasks: give --drop or --rename, or leave it out")
        _list(load_run(given.run))
        return
    if given.out is None:
        raise InputError("the new run needs a folder of its own: give --out OTHER")
    from afanet.training.starting.retask import retask

    run = retask(given.run, given.out, given.drop, dict(given.rename))
    print(f"{run.path}: {', '.join(run.tasks)}, with the outputs and scores of {given.run}")


def _list(run: Any) -> None:
    from rich.table import Table

    from afanet.terminal import show

    table = Table("task", "kind", "main metric", "score", box=None, pad_edge=False)
    for name, task in run.tasks.items():
        score = run.score(name, task.main_metric)
        arrow = "↑" if task.higher_is_better[task.main_metric] else "↓"
        table.add_row(name, task.kind, f"{task.main_metric} {arrow}", "-" if score is None else f"{score:.4f}")
    show(table)
