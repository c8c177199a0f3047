"""How a run's tasks changed in another run that started from it, on the same test images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from rich.table import Table

from afanet.comparison.images import ImageScores
from afanet.comparison.statistics import Change, bootstrap_changes
from afanet.paths import near
from afanet.progress import Bar
from afanet.runs.loaded import TaskPredictor
from afanet.runs.run import Run
from afanet.tasks import Task
from afanet.training.loaders import scoring_loader


@dataclass(frozen=True)
class Since:
    """The change of each task since the run that another started from, on the test images of the latter.

    Args:
        source: the earlier run.
        before, now: the scores of both by task and metric.
        changes: the differences of the scores, with intervals over the images.
        identical: the tasks whose outputs are the same, bit for bit.
    """

    source: str
    before: Mapping[str, Mapping[str, float]]
    now: Mapping[str, Mapping[str, float]]
    changes: Mapping[str, Mapping[str, Change]]
    identical: list[str]

    def as_json(self) -> dict[str, Any]:
        """Plain values, by task and metric."""
        return {
            "start_from": self.source,
            "identical": self.identical,
            "tasks": {
                task: {
                    metric: {
                        "before": self.before[task][metric],
                        "now": self.now[task][metric],
                        "change": change.mean,
                        "interval": [change.low, change.high],
                        "images": change.count,
                    }
                    for metric, change in of_task.items()
                }
                for task, of_task in self.changes.items()
            },
        }

    def table(self, tasks: Mapping[str, Task]) -> Table:
        """The main metric of each task, in the earlier run and now."""
        count = max((change.count for of_task in self.changes.values() for change in of_task.values()), default=0)
        table = Table(
            *("task", "metric", "before", "now", "change", "95 %", ""),
            caption=f"since {self.source}, over {count} test images, the same for both",
        )
        for name in self.changes:
            metric = tasks[name].main_metric
            change, higher = self.changes[name][metric], tasks[name].higher_is_better[metric]
            verdict = "identical" if name in self.identical else change.verdict(higher)
            values = [f"{self.before[name][metric]:.4f}", f"{self.now[name][metric]:.4f}", f"{change.mean:+.4f}"]
            low_high = "-" if math.isnan(change.low) else f"{change.low:+.4f} to {change.high:+.4f}"
            table.add_row(name, f"{metric} {'↑' if higher else '↓'}", *values, low_high, verdict)
        return table


def since(run: Run, before: Run) -> Since | None:
    """How the tasks of the run `before` changed in `run`, which started from it; None if they share no task.

    Both predict the test images of `run`, at its size. The intervals are over these images: they do not show the effect
    of another seed.
    """
    now, then = TaskPredictor(run, run.tasks), TaskPredictor(before, before.tasks)
    tasks = {name: task for name, task in now.tasks.items() if name in then.tasks and run.scores.get(name)}
    if not tasks:
        return None
    scores = [{name: ImageScores(task) for name, task in tasks.items()} for _ in range(2)]
    same = dict.fromkeys(tasks, True)
    data = run.data()
    images = len(data.test)
    source = near(before.path)
    with Bar(images, "comparing", line=f"comparing with {source} on {images} test images") as bar:
        for batch in scoring_loader(data, data.test, run.recipe):
            answers = [predictor.answer(batch["image"]) for predictor in (now, then)]
            for name, task in tasks.items():
                same[name] = same[name] and torch.equal(answers[0][name], answers[1][name])
                for kept, logits in zip(scores, answers, strict=True):
                    kept[name].update(task.predict(logits[name]).cpu(), batch["targets"][name])
            bar.advance(len(batch["id"]))
    ours, theirs = scores
    return Since(
        source,
        {name: theirs[name].compute() for name in tasks},
        {name: ours[name].compute() for name in tasks},
        {name: bootstrap_changes(ours[name], theirs[name]) for name in tasks},
        [name for name in tasks if same[name]],
    )
