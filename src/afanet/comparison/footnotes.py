"""The notes below a comparison's table: what its numbers are based on, and what a reader must know about them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from afanet.comparison.compare import SURE, Comparison
from afanet.comparison.load import is_overloaded
from afanet.comparison.needs import need_notes, needs
from afanet.comparison.published import published_notes
from afanet.comparison.resampling import name_draws, repeated_over
from afanet.comparison.rows import ENSEMBLE, Row
from afanet.comparison.statistics import Change

HINT = (
    "△ better, ▽ worse, exploratory: the 95 % interval excludes zero, without correction; ≈ no clear "
    "difference, or a small one"
)
ALONE = "○ one seed: no verdict, since another seed may change the sign"


def footnotes(comparison: Comparison) -> list[str]:
    """The notes that a reader of the table needs."""
    changes = [change for row in comparison.rows for task in row.changes.values() for change in task.values()]
    known = [change for change in changes if not math.isnan(change.mean)]
    over = {change.over: change.count for change in known if not math.isnan(change.low)}
    images, against = over.get("images", 0), comparison.against
    sentences = {
        "seeds and images": f"intervals: over seeds and the {comparison.images} test images together, paired with "
        f"{against} of the same seed on the same images",
        "folds": f"intervals: Student's t over folds, paired with {against} on the same fold"
        + (", each difference the mean over its seeds" if repeated(comparison) == "folds and seeds" else "")
        + "; folds share training images, which makes them narrower than they should be",
        "seeds": f"intervals: Student's t over seeds alone, paired with {against} of the same seed; the choice of "
        "test images is not in them",
        "images": f"intervals: bootstrap over the {images} test images, paired; the spread of seeds is not in them",
    }
    notes = [_repetitions(comparison), *(sentences[kind] for kind in sorted(over))]
    if over.keys() - {"images"}:
        notes += [
            _legend(known, against),
            HINT,
            comparison.smallest.sentence(against),
            *need_notes(needs(comparison), comparison.images),
        ]
    if any(change.over == "images" or math.isnan(change.low) for change in known):
        notes.append(ALONE)
    if known and comparison.base:
        bases = ", ".join(str(run.folder.path) for run in comparison.base.group.runs)
        notes.append(f"{against} is {bases}")
    if any(row.title == ENSEMBLE for row in comparison.rows):
        notes.append(f"{ENSEMBLE} is the mean prediction of two single-task networks, at twice their cost")
    return (
        notes
        + _unmeasured_notes(comparison.rows)
        + _load_notes(comparison.rows)
        + comparison.notes
        + published_notes(comparison)
    )


def _legend(changes: Sequence[Change], against: str) -> str:
    """The meaning of the marks, and the number of changes that they are corrected for."""
    count = sum(not math.isnan(change.p_holm) for change in changes)
    return (
        f"▲ better, ▼ worse than {against} by the main metric of a task: p below {SURE:g} after Holm's correction "
        f"for the {count} changes of main metrics in this table"
    )


def repeated(comparison: Comparison) -> str:
    """What varies between the repeated runs of the comparison."""
    kinds = {repeated_over(row.group.draws) for row in comparison.rows}
    return kinds.pop() if len(kinds) == 1 else "folds and seeds"


def _repetitions(comparison: Comparison) -> str:
    """How many runs each method has, and what their spread is taken over."""
    if (over := repeated(comparison)) == "seeds":
        between = "; " if any("," in row.title for row in comparison.rows) else ", "
        return "seeds: " + between.join(f"{row.title} {len(row.group.runs)}" for row in comparison.rows)
    named = {name_draws(row.group.draws): None for row in comparison.rows}
    if len(named) > 1:
        named = {f"{row.title} {name_draws(row.group.draws)}": None for row in comparison.rows}
    return f"mean ± standard deviation over {over}: {'; '.join(named)}"


def _unmeasured_notes(rows: Sequence[Row]) -> list[str]:
    """A sentence if time and memory of some rows were measured, and of others not."""
    trained = [row for row in rows if row.title != ENSEMBLE]
    unmeasured = [row.title for row in trained if "step_s" not in row.costs]
    if not 0 < len(unmeasured) < len(trained):
        return []
    return [f"time and memory of {', '.join(unmeasured)} were not measured (-): `afanet compare` measures those of all"]


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
