"""The scores of a task over a set, with one rule, for every kind of task, for predictions that are not numbers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from afanet.networks.outputs import Dense
from afanet.tasks.task import Task

BASIS = "basis"  # the name of the metric that counts the evidence for the others


@dataclass(frozen=True)
class Evidence:
    """The evidence for scores, counted over a set.

    Args:
        images: the number of images.
        labels: the labelled pixels or values.
        broken_images: images with a prediction that is not a number.
        broken_values: predictions that are not numbers: pixels, or values of whole images.
        occurrences: see `Task.occurrences`.
    """

    images: int
    labels: int
    broken_images: int
    broken_values: int
    occurrences: tuple[int, ...]

    @classmethod
    def of(cls, counts: Tensor, occurrences: Tensor) -> Evidence:
        """The evidence in the states of a `Basis`."""
        images, labels, broken_images, broken_values = counts.tolist()
        return cls(images, labels, broken_images, broken_values, tuple(occurrences.flatten().tolist()))

    def fault(self, task: Task) -> str | None:
        """Why there are no scores, as the end of a sentence; None if every prediction is a number."""
        if not self.broken_values:
            return None
        pixels = (
            f" ({self.broken_values} pixel{'s'[: self.broken_values > 1]})" if isinstance(task.output, Dense) else ""
        )
        return f"its outputs are {task.unusable} in {self.broken_images} of {self.images} images{pixels}"

    def unscorable(self, task: Task, split: str) -> str | None:
        """Why scores over these labels of a split say nothing, in words; None if they say something."""
        if not self.labels:
            return f"the {split} split has no label of it"
        reason = task.unscorable(self.occurrences)
        return f"{reason} in the {split} labels" if reason else None


class Basis(Metric):
    """Counts the evidence for a task's scores; its sums go across processes like those of any metric."""

    full_state_update = False
    counts: Tensor
    occurrences: Tensor

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        names = len(task.occurrences(task.unlabelled((1, 1))[None]))
        self.add_state("counts", default=torch.zeros(4, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("occurrences", default=torch.zeros(names, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor, broken: Tensor) -> None:
        """Count a batch; `broken`, (B, places), says which predictions are not numbers."""
        images = torch.full((), len(prediction), device=prediction.device)
        parts = [images, self.task.labelled(target).sum(), broken.any(1).sum(), broken.sum()]
        self.counts += torch.stack(parts)
        self.occurrences += self.task.occurrences(target)

    def compute(self) -> dict[str, Tensor]:
        """All counts."""
        return {f"{BASIS}.counts": self.counts, f"{BASIS}.occurrences": self.occurrences}


class TaskScores(MetricCollection):
    """The metrics of a task, all NaN as soon as one prediction is not a number.

    `Task.no_number` says which predictions are not numbers: those that are NaN or infinite, no class, or without a
    direction. Metrics never see such a prediction: it is counted, all scores become NaN, and `compute` warns.

    >>> from afanet.tasks import Depth
    >>> scores = TaskScores.of(Depth())
    >>> scores.update(torch.tensor([[[[2.0, torch.nan]]]]), torch.ones(1, 1, 1, 2))
    >>> values, evidence = scores.read()
    >>> values["delta1"].item(), evidence.broken_values
    (nan, 1)
    """

    def __init__(self, task: Task, metrics: Sequence[Metric | MetricCollection]) -> None:
        super().__init__([*metrics, MetricCollection({BASIS: Basis(task)})])
        self.task = task

    @classmethod
    def of(cls, task: Task) -> TaskScores:
        """Fresh scores of a task; the metrics of a kind from outside the package follow the same rule."""
        metrics = task.metrics()
        if isinstance(metrics, TaskScores):
            return metrics
        return cls(task, [metrics])

    def update(  # type: ignore[override]
        self, prediction: Tensor, target: Tensor, logits: Tensor | None = None
    ) -> None:
        """Count a batch of predictions and targets.

        With `logits` (B, C, ...), predictions from logits that are not finite count as not numbers too: a kind of task
        may decide for a class even there.
        """
        usable, broken = self.usable(prediction, logits)
        super().update(usable, target, broken=broken)

    def forward(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Count a batch, and return its own scores."""
        usable, broken = self.usable(prediction)
        scores, evidence = self.judge(super().forward(usable, target, broken=broken))
        self._warn(evidence)
        return scores

    def usable(self, prediction: Tensor, logits: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Predictions with a number wherever there was none, and where there was none, bool (B, places)."""
        mask = self.task.no_number(prediction)
        usable = prediction.masked_fill(mask, 1 if prediction.is_floating_point() else 0)
        broken = _by_image(mask.any(1) if mask.ndim > 3 else mask)
        if logits is None:
            return usable, broken
        outputs = _by_image(~logits.isfinite().all(1))
        return usable, broken | outputs if broken.shape == outputs.shape else torch.cat([broken, outputs], 1)

    def compute(self) -> dict[str, Tensor]:
        """Every score by name; NaN, with a warning, if a prediction was not a number."""
        scores, evidence = self.read()
        self._warn(evidence)
        return scores

    def read(self) -> tuple[dict[str, Tensor], Evidence]:
        """Every score by name, and the evidence for them; over all processes."""
        return self.judge(super().compute())

    @staticmethod
    def judge(values: dict[str, Any]) -> tuple[dict[str, Tensor], Evidence]:
        """The scores among the values of all metrics, NaN if a prediction was not a number, and the evidence."""
        evidence = Evidence.of(values.pop(f"{BASIS}.counts"), values.pop(f"{BASIS}.occurrences"))
        if evidence.broken_values:
            values = {name: torch.full_like(value, torch.nan) for name, value in values.items()}
        return values, evidence

    def _warn(self, evidence: Evidence) -> None:
        if fault := evidence.fault(self.task):
            warnings.warn(f"task '{self.task.name}' has no scores, because {fault}", stacklevel=3)


def _by_image(mask: Tensor) -> Tensor:
    return mask.flatten(1) if mask.ndim > 1 else mask[:, None]
