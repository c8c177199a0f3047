"""What it takes to see the smallest changes that matter: a number of seeds, or more test images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from afanet.comparison.compare import Comparison
from afanet.comparison.power import seeds_needed
from afanet.comparison.rows import ENSEMBLE

MOST = 1000  # seeds that a sentence counts
OFTEN = "four times in five, at the 5 % level"  # as `power` computes


@dataclass(frozen=True)
class Need:
    """What it takes to see the smallest change of a task's main metric, from the mean spread of the changes.

    Args:
        task, metric: the task and its main metric.
        size: the smallest change that matters.
        seeds: the fewest seeds; None if no number of seeds is enough.
        image: what one test image is worth, for the share of images that are right; 0 for any other metric.
    """

    task: str
    metric: str
    size: float
    seeds: int | None
    image: float

    @property
    def more_images(self) -> bool:
        """Whether only more test images would show the change."""
        return self.seeds is None or self.size < self.image

    def __str__(self) -> str:
        return f"{self.size:.2g} of {self.metric} ({self.task})"


def needs(comparison: Comparison) -> list[Need]:
    """For each task whose changes are over seeds and vary, in the order of the tasks."""
    found = []
    methods = [row for row in comparison.rows if row.title != ENSEMBLE]  # it shares networks with single task
    for name, task in comparison.tasks.items():
        metric = task.main_metric
        changes = [row.changes[name][metric] for row in methods if name in row.changes]
        changes = [change for change in changes if change.over in ("seeds", "seeds and images")]
        known = [change for change in changes if not math.isnan(change.seed_variance)]
        size = comparison.smallest_change(name, metric) if known else 0
        if not size:
            continue
        of_seeds, of_images = (
            sum(variances) / len(known)
            for variances in zip(*((change.seed_variance, change.image_variance) for change in known), strict=True)
        )
        seeds = seeds_needed(size, of_seeds, of_images, comparison.images)
        counts = metric == "accuracy" and "classes" in task.meaning and comparison.images
        found.append(Need(name, metric, size, seeds, 1 / comparison.images if counts else 0.0))
    return found


def need_notes(found: Sequence[Need], images: int) -> list[str]:
    """Sentences on these needs, with the number of test images.

    >>> for note in need_notes([Need("age", "accuracy", 0.01, 34, 0.005), Need("depth", "abs", 0.002, None, 0)], 200):
    ...     print(note)
    to see a smallest change four times in five, at the 5 % level, takes about 34 seeds for 0.01 of accuracy (age)
    no number of seeds would show 0.002 of abs (depth) as often, because there are too few test images
    """
    coarse = [need for need in found if need.size < need.image]
    beyond = [need for need in found if need.seeds is None and need not in coarse]
    counted = [f"{_number(need.seeds)} seeds for {need}" for need in found if need.seeds and not need.more_images]
    notes = [f"to see a smallest change {OFTEN}, takes {' and '.join(counted)}"] if counted else []
    if beyond:
        often = "as often" if counted else OFTEN
        shown = " or ".join(map(str, beyond))
        notes.append(f"no number of seeds would show {shown} {often}, because there are too few test images")
    notes += [
        f"no test can show {need} in one network, because each of the {images} test images is worth {need.image:.2g}: "
        "test on more images, or set a larger --smallest"
        for need in coarse
    ]
    return notes


def _number(seeds: int) -> str:
    """`about 34`; a large number is known to its size at best."""
    return f"about {seeds}" if seeds <= MOST else f"more than {MOST}"
