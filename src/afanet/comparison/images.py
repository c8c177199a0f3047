"""The scores of single images, from which the scores of any sample of images follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from afanet.errors import InputError
from afanet.tasks import Task

RESAMPLES = 1000


class ImageScores:
    """What each image adds to the metrics of a task.

    A metric of a task is a function of sums over images (of pixels, errors, confusions). These sums are kept image by
    image here, so the scores of any images, each counted any number of times, need no new prediction.

    >>> from afanet.tasks import Classification
    >>> scores = ImageScores(Classification("age", ["young", "old"]))
    >>> scores.update(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))
    >>> round(scores.compute()["accuracy"], 3), scores.compute(torch.tensor([0, 0, 2]))["accuracy"]
    (0.667, 0.0)

    Raises `InputError` for a metric that keeps anything but sums.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.metrics: dict[str, Metric] = dict(task.metrics().items(keep_base=True, copy_state=False))
        for name, metric in self.metrics.items():
            if any(reduce is not torch.sum and reduce.__name__ != "dim_zero_sum" for reduce in _reductions(metric)):
                raise InputError(f"metric '{name}' of task '{task.name}' keeps more than sums over images")
        self.kept: dict[str, dict[str, list[Tensor]]] = {
            name: {state: [] for state in metric._defaults} for name, metric in self.metrics.items()
        }
        self._stacks: dict[tuple[str, str], Tensor] = {}
        self._draws: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return len(next(iter(next(iter(self.kept.values())).values())))

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Keep what a batch of images adds, image by image."""
        self._stacks.clear()
        self._draws.clear()
        for prediction, target in zip(predictions, targets, strict=True):
            for name, metric in self.metrics.items():
                metric.reset()
                metric.update(prediction[None], target[None])
                for state, kept in self.kept[name].items():
                    kept.append(getattr(metric, state).detach().cpu().clone())

    def sums(self, state: str, weights: Tensor | None = None) -> Tensor:
        """The sum over images of a state of whichever metric has it, such as `confmat`."""
        name = next(name for name, states in self.kept.items() if state in states)
        return _weighted(self._stack(name, state), weights)

    def has(self, state: str) -> bool:
        """Whether a metric keeps such a state."""
        return any(state in states for states in self.kept.values())

    def compute(self, weights: Tensor | None = None) -> dict[str, float]:
        """The task's scores over images that count `weights` (images,) times each, once by default."""
        scores: dict[str, float] = {}
        for name, metric in self.metrics.items():
            metric.reset()
            for state in self.kept[name]:
                setattr(metric, state, _weighted(self._stack(name, state), weights))
            metric._update_count = 1
            result = metric.compute()
            values = result if isinstance(result, Mapping) else {name: result}
            scores |= {key: float(value) for key, value in values.items()}
        return scores

    def draws(self) -> dict[str, Tensor]:
        """Every score over `RESAMPLES` samples of the images with replacement, (RESAMPLES,), kept once computed.

        Two objects with equally many images draw the same samples.
        """
        if not self._draws:
            generator = torch.Generator().manual_seed(0)
            scores = []
            for _ in range(RESAMPLES):
                chosen = torch.randint(len(self), (len(self),), generator=generator)
                scores.append(self.compute(torch.bincount(chosen, minlength=len(self))))
            self._draws = {
                name: torch.tensor([drawn[name] for drawn in scores], dtype=torch.float64) for name in scores[0]
            }
        return self._draws

    def _stack(self, name: str, state: str) -> Tensor:
        """What every image adds to a state of a metric, (images, ...), stacked once for all draws."""
        if (name, state) not in self._stacks:
            self._stacks[name, state] = torch.stack(self.kept[name][state])
        return self._stacks[name, state]

    def each(self, metric: str) -> list[float]:
        """One score of each image by itself."""
        marks = torch.eye(len(self), dtype=torch.int64)
        return [self.compute(mark)[metric] for mark in marks]


def _weighted(stack: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return stack.sum(0)
    total: Tensor = torch.tensordot(weights.to(stack.dtype), stack, dims=1)
    return total


def _reductions(metric: Metric) -> list[Any]:
    return list(metric._reductions.values())
