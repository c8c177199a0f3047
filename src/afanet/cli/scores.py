"""The scores of runs as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from afanet.runs.run import Run


def print_scores(runs: Mapping[str, Run]) -> None:
    """Print the scores of runs on their test splits and, if there is one, on the validation split."""
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


def print_since(run: Run, source: str) -> bool:
    """Print how the tasks' scores changed since the run that this run started from, and keep that in its folder.

    Returns whether it was kept; if the earlier run cannot be read, a line says why.
    """
    from afanet.comparison.since import since
    from afanet.errors import InputError
    from afanet.json_text import strict
    from afanet.progress import say
    from afanet.runs.run import load_run
    from afanet.terminal import show

    try:
        changed = since(run, load_run(source))
    except InputError as error:  # the run itself is complete
        say(f"warning: the tasks cannot be compared with the run that they started from: {error}")
        return False
    if changed is None:
        return False
    show(changed.table(run.tasks), keys=2)
    run.folder.write(run.folder.since, strict(changed.as_json()))
    return True
