"""The notes below a comparison's table: what its numbers are based on, and what a reader must know about them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from afanet.comparison.compare import SURE, Comparison
from afanet.comparison.load import is_overloaded
from afanet.comparison.power import seeds_needed
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
    images = over.get("images", 0)
    base = comparison.against
    sentences = {
        "seeds and images": f"intervals: over seeds and the {comparison.images} test images together, paired with "
        f"{base} of the same seed on the same images",
        "folds": f"intervals: Student's t over folds, paired with {base} on the same fold"
        + (", each difference the mean over its seeds" if repeated(comparison) == "folds and seeds" else "")
        + "; folds share training images, which makes them narrower than they should be",
        "seeds": f"intervals: Student's t over seeds alone, paired with {base} of the same seed; the choice of "
        "test images is not in them",
        "images": f"intervals: bootstrap over the {images} test images, paired; the spread of seeds is not in them",
    }
    bases = ", ".join(str(run.folder.path) for run in (comparison.base.group.runs if comparison.base else ()))
    notes = [_repetitions(comparison), *(sentences[kind] for kind in sorted(over))]
    if over.keys() - {"images"}:
        notes += [_legend(known, base), HINT, comparison.smallest.sentence(base), *_sizes(comparison)]
    if any(change.over == "images" or math.isnan(change.low) for change in known):
        notes.append(ALONE)
    if known:
        notes.append(f"{base} is {bases}")
    if any(row.title == ENSEMBLE for row in comparison.rows):
        notes.append(f"{ENSEMBLE} is the mean prediction of two single-task networks, at twice their cost")
    return (
        notes
        + _unmeasured_notes(comparison.rows)
        + _load_notes(comparison.rows)
        + comparison.notes
        + published_notes(comparison)
    )


def _legend(changes: Sequence[Change], base: str) -> str:
    """The meaning of the marks, and the number of changes that they are corrected for."""
    count = sum(not math.isnan(change.p_holm) for change in changes)
    return (
        f"▲ better, ▼ worse than {base} by the main metric of a task: p below {SURE:g} after Holm's correction "
        f"for the {count} changes of main metrics in this table"
    )


def _sizes(comparison: Comparison) -> list[str]:
    """How many seeds it takes to see the smallest change of each main metric, from the mean spread of changes."""
    needed = []
    methods = [row for row in comparison.rows if row.title != ENSEMBLE]  # it shares networks with single task
    for name, task in comparison.tasks.items():
        metric = task.main_metric
        changes = [row.changes[name][metric] for row in methods if name in row.changes]
        changes = [change for change in changes if change.over in ("seeds", "seeds and images")]
        known = [change for change in changes if not math.isnan(change.seed_variance)]
        size = comparison.smallest_change(name, metric)
        if not known or not size:
            continue
        of_seeds, of_images = (
            sum(variances) / len(known)
            for variances in zip(*((change.seed_variance, change.image_variance) for change in known), strict=True)
        )
        seeds = seeds_needed(size, of_seeds, of_images, comparison.images)
        counts = metric == "accuracy" and "classes" in task.meaning and comparison.images  # the share of right images
        one = 1 / comparison.images if counts else 0.0
        needed.append(f"{size:.2g} of {metric} ({name}) {_takes(seeds, size, one)}")
    return [f"to see a smallest change four times in five, at the 5 % level: {'; '.join(needed)}"] if needed else []


def _takes(seeds: int | None, size: float, one: float) -> str:
    """What it takes to see a change, where one test image is worth `one`, 0 if an image is worth no fixed amount."""
    if seeds is not None:
        return f"takes about {seeds} seeds"
    less = f", and it is less than one test image, {one:.2g}" if size < one else ""
    return f"takes more test images, since no number of seeds is enough{less}"


def repeated(comparison: Comparison) -> str:
    """What varies between the repeated runs of the comparison."""
    kinds = {repeated_over(row.group.draws) for row in comparison.rows}
    return kinds.pop() if len(kinds) == 1 else "folds and seeds"


def _repetitions(comparison: Comparison) -> str:
    """How many runs each method has, and what their spread is taken over."""
    if (over := repeated(comparison)) == "seeds":
        return "seeds: " + ", ".join(f"{row.title} {len(row.group.runs)}" for row in comparison.rows)
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
