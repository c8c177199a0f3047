"""`afanet results`: scores measured with this package."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from afanet.results import Score

Rows = dict[str, list["Score"]]
MEANING = (
    "Mean ± standard deviation over seeds or folds. "
    "The page Results says how each was measured, and which differences are more than chance."
)
COSTS = {"parameters": ("parameters,\nM", 1e6), "flops": ("GFLOPs\nan image", 1e9)}


def add_results_command(commands: Any) -> None:
    """Add the command."""
    results: ArgumentParser = commands.add_parser(
        "results",
        help="print scores measured with this package",
        description="Print scores measured with this package, one table for each comparison: the main metric "
        "of each task, or with --task all metrics of one task.",
        allow_abbrev=False,
    )
    results.set_defaults(command=_results, parser=results)
    results.add_argument("--data", metavar="NAME", help="only this data set, such as nyuv2")
    results.add_argument("--method", metavar="NAME", help="only this method, such as afa")
    results.add_argument("--task", metavar="NAME", help="only this task, with all its metrics")
    results.add_argument("--csv", action="store_true", help="print the scores by run as CSV, with costs and versions")


def _results(given: Namespace) -> None:
    from afanet.results import choose_results, read_results, results_csv

    scores = choose_results(read_results(), given.data, given.method, given.task)
    if given.csv:
        print(results_csv(scores), end="")
        return
    from afanet.terminal import show

    for name, rows in _grouped(scores, "comparison").items():
        first, folds = rows[0], len({fold for score in rows for fold in score.folds})
        seeds = len({seed for score in rows for seed in score.seeds})
        runs = f"{folds} folds" if folds > 1 else f"{seeds} seed{'s' * (seeds > 1)}"
        print(f"{name}: {first.data} at {first.size}, {first.backbone}, {runs}")
        show(_table(rows, whole=given.task is not None))
        print()
    print(MEANING)


def _grouped(scores: list[Score], *keys: str) -> Rows:
    """The scores grouped by some of their fields, in the order of first appearance."""
    groups: Rows = {}
    for score in scores:
        groups.setdefault(", ".join(filter(None, (getattr(score, key) for key in keys))), []).append(score)
    return groups


def _table(scores: list[Score], *, whole: bool) -> Table:
    """A row for each method of a comparison, a column for each metric (the main ones, if not `whole`) and cost."""
    from rich.table import Table

    from afanet.results import mean_and_deviation

    metrics = list({(score.task, score.metric): score for score in scores}.values())
    if not whole:
        metrics = [of_task[0] for of_task in _grouped(scores, "task").values()]
    costs = [key for key in COSTS if any(getattr(score, key) for score in scores)]
    table = Table("method", box=None, pad_edge=False)
    for score in metrics:
        arrow = "↑" if score.better == "higher" else "↓"
        table.add_column(f"{score.task}\n{score.metric} {arrow}", justify="right", no_wrap=True)
    for key in costs:
        table.add_column(COSTS[key][0], justify="right", no_wrap=True)
    for title, rows in _grouped(scores, "method", "variant").items():
        cells = []
        for wanted in metrics:
            of_metric = [score for score in rows if (score.task, score.metric) == (wanted.task, wanted.metric)]
            cells.append(_spread(*mean_and_deviation(of_metric)))
        table.add_row(title, *cells, *(_cost(rows[0], key) for key in costs))
    return table


def _spread(mean: float, deviation: float | None) -> str:
    return f"{mean:.4f}" if deviation is None else f"{mean:.4f} ± {deviation:.4f}"


def _cost(score: Score, key: str) -> str:
    value = getattr(score, key)
    return "-" if value is None else f"{value / COSTS[key][1]:.4g}"
