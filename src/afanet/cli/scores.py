"""The scores of runs as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from afanet.runs.run import Run


def print_scores(runs: Mapping[str, Run]) -> None:
    """Print the scores of runs on their test splits and, where there is one, on the validation split."""
    from afanet.report.table import metrics_table
    from afanet.terminal import show

    tasks = next(iter(runs.values())).tasks
    columns, unscored = {}, {}
    for title, run in runs.items():
        columns[title], unscored[title] = run.scores, run.unscored
        if "validation" in run.results:
            column = f"{title}, validation"
            columns[column] = run.results["validation"]
            unscored[column] = run.results.get("unscored", {}).get("validation", {})
    show(metrics_table(columns, tasks, unscored), keys=2)
