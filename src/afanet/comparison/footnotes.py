"""The notes below a comparison's table: what its numbers are over, and what a reader must know of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from afanet.comparison.compare import Comparison, Row
from afanet.comparison.groups import BASE
from afanet.comparison.load import is_overloaded
from afanet.comparison.resampling import name_draws, repeated_over

LEGEND = "▲ better, ▼ worse than single task beyond the 95 % interval; ≈ no clear difference, or a small one"
ALONE = "○ one seed: no verdict, since another seed may turn the sign"


def footnotes(comparison: Comparison) -> list[str]:
    """What a reader of the table must know."""
    changes = [change for row in comparison.rows for task in row.changes.values() for change in task.values()]
    known = [change for change in changes if not math.isnan(change.mean)]
    over = {change.over: change.count for change in known if not math.isnan(change.low)}
    images = over.get("images", 0)
    sentences = {
        "folds": "intervals: Student's t over folds, paired with single task on the same fold"
        + (", each difference the mean over its seeds" if repeated(comparison) == "folds and seeds" else "")
        + "; folds share training images, which makes them narrower than they should be",
        "seeds": "intervals: Student's t over seeds, paired with single task of the same seed",
        "images": f"intervals: bootstrap over the {images} test images, paired; the spread of seeds is not in them",
    }
    bases = ", ".join(str(run.folder.path) for row in comparison.rows if row.title == BASE for run in row.group.runs)
    notes = [_repetitions(comparison), *(sentences[kind] for kind in sorted(over))]
    if "seeds" in over or "folds" in over:
        notes += [LEGEND, comparison.smallest.sentence()]
    if any(change.over == "images" or math.isnan(change.low) for change in known):
        notes.append(ALONE)
    if known:
        notes.append(f"single task is {bases}")
    return notes + _load_notes(comparison.rows) + comparison.notes


def repeated(comparison: Comparison) -> str:
    """What the runs of the comparison are repeated over."""
    kinds = {repeated_over(row.group.draws) for row in comparison.rows}
    return kinds.pop() if len(kinds) == 1 else "folds and seeds"


def _repetitions(comparison: Comparison) -> str:
    """How many runs each method has, and what their spread is over."""
    if (over := repeated(comparison)) == "seeds":
        return "seeds: " + ", ".join(f"{row.title} {len(row.group.runs)}" for row in comparison.rows)
    named = {name_draws(row.group.draws): None for row in comparison.rows}
    if len(named) > 1:
        named = {f"{row.title} {name_draws(row.group.draws)}": None for row in comparison.rows}
    return f"mean ± standard deviation over {over}: {'; '.join(named)}"


def _load_notes(rows: Sequence[Row]) -> list[str]:
    """A sentence if costs were measured beside other work."""
    busy = {row.title: row.load for row in rows if is_overloaded(row.load)}
    worst = max(busy.values(), key=lambda load: load.busy / load.cores if load else 0, default=None)
    if worst is None:
        return []
    files = "remove the costs.json of the runs, and compare again on an idle machine"
    return [
        f"costs of {', '.join(busy)} were measured while other work kept up to {worst.busy:.1f} of {worst.cores} cores "
        f"busy, so times are too long: {files}"
    ]
