"""The scores of single images, from which the scores of any sample of images follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from afanet.errors import InputError
from afanet.tasks import Task
from afanet.tasks.scores import BASIS, Evidence, TaskScores

RESAMPLES = 1000
TOGETHER = 100  # resamples whose sums are in memory at once
BLOCKS = 100  # the most blocks of images; each is left out once


@dataclass(frozen=True)
class Look:
    """One pass over the whole test split: `scores` by task, and the `binned` errors of tasks that have bins."""

    scores: dict[str, ImageScores]
    binned: dict[str, Tensor]


class ImageScores:
    """The contribution of each image to the metrics of a task.

    A metric of a task is a function of sums over images (of pixels, errors, confusions). Here the terms of these sums
    are kept image by image, so the scores over any images, each counted any number of times, need no new prediction.

    >>> from afanet.tasks import Classification
    >>> scores = ImageScores(Classification("age", ["young", "old"]))
    >>> scores.update(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))
    >>> round(scores.compute()["accuracy"], 3), scores.compute(torch.tensor([0, 0, 2]))["accuracy"]
    (0.667, 0.0)

    Raises `InputError` for a metric that keeps anything but sums.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.whole = TaskScores.of(task)
        self.metrics: dict[str, Metric] = dict(self.whole.items(keep_base=True, copy_state=False))
        for name, metric in self.metrics.items():
            if any(reduce is not torch.sum and reduce.__name__ != "dim_zero_sum" for reduce in _reductions(metric)):
                raise InputError(f"metric '{name}' of task '{task.name}' keeps more than sums over images")
        self.kept: dict[str, dict[str, list[Tensor]]] = {
            name: {state: [] for state in metric._defaults} for name, metric in self.metrics.items()
        }
        self._stacks: dict[tuple[str, str], Tensor] = {}
        self._draws: dict[str, Tensor] = {}

    @classmethod
    def restored(cls, task: Task, states: Mapping[str, Tensor]) -> ImageScores:
        """The scores that had these `states`."""
        scores = cls(task)
        for name, kept in scores.kept.items():
            for state in kept:
                kept[state] = list(states[f"{name}.{state}"].unbind())
        return scores

    @property
    def states(self) -> dict[str, Tensor]:
        """The contribution of every image, (images, ...), by `METRIC.STATE`."""
        return {f"{name}.{state}": stack for (name, state), stack in self._all().items()}

    @property
    def kinds(self) -> dict[str, Tensor]:
        """The contribution of an image without labels, by `METRIC.STATE`: the shape and type of each state."""
        return {
            f"{name}.{state}": torch.as_tensor(metric._defaults[state])
            for name, metric in self.metrics.items()
            for state in self.kept[name]
        }

    def __len__(self) -> int:
        return len(next(iter(next(iter(self.kept.values())).values())))

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Keep the contributions of a batch of images, image by image."""
        self._stacks.clear()
        self._draws.clear()
        for prediction, target in zip(predictions, targets, strict=True):
            usable, broken = self.whole.usable(prediction[None])
            for name, metric in self.metrics.items():
                metric.reset()
                metric.update(usable, target[None], **metric._filter_kwargs(broken=broken))
                for state, kept in self.kept[name].items():
                    kept.append(getattr(metric, state).detach().cpu().clone())

    def sums(self, state: str) -> Tensor:
        """The sum over images of a state, such as `confmat`, from whichever metric has it."""
        name = next(name for name, states in self.kept.items() if state in states)
        return self._stack(name, state).sum(0)

    def has(self, state: str) -> bool:
        """Whether any metric has such a state."""
        return any(state in states for states in self.kept.values())

    def only_class(self) -> str | None:
        """The class that is predicted everywhere, although the labels have others too; else None."""
        if not self.task.names or not self.has("confmat"):
            return None
        confusion = self.sums("confmat")
        if confusion.ndim != 2 or (confusion.sum(1) > 0).sum() < 2:  # several labels have a matrix each
            return None
        answered = (confusion.sum(0) > 0).nonzero().flatten().tolist()
        return self.task.names[answered[0]] if len(answered) == 1 else None

    def compute(self, weights: Tensor | None = None) -> dict[str, float]:
        """The task's scores if each image counts `weights` (images,) times, by default once."""
        if weights is None:
            scores, _ = self._read({key: stack.sum(0) for key, stack in self._all().items()})
            return {name: float(score) for name, score in scores.items()}
        return next(self._scores(weights[None]))

    @property
    def evidence(self) -> Evidence:
        """The evidence for the scores over all images."""
        return Evidence.of(*(self._stack(BASIS, state).sum(0) for state in ("counts", "occurrences")))

    @property
    def labels(self) -> str:
        """A hash of the amounts of each label in each image: the same for the same images in the same order."""
        counted = self._stack(BASIS, "counts")[:, :2], self._stack(BASIS, "occurrences")
        return blake2b(b"".join(each.numpy().tobytes() for each in counted), digest_size=16).hexdigest()

    def draws(self) -> dict[str, Tensor]:
        """Every score over `RESAMPLES` samples of the images with replacement, (RESAMPLES,); computed once.

        Two objects with equally many images draw the same samples.
        """
        if not self._draws:
            generator = torch.Generator().manual_seed(0)
            images = len(self)
            drawn = [torch.randint(images, (images,), generator=generator) for _ in range(RESAMPLES)]
            scores: list[dict[str, float]] = []
            for start in range(0, RESAMPLES, TOGETHER):
                together = drawn[start : start + TOGETHER]
                scores += self._scores(torch.stack([torch.bincount(chosen, minlength=images) for chosen in together]))
            self._draws = {
                name: torch.tensor([drawn[name] for drawn in scores], dtype=torch.float64) for name in scores[0]
            }
        return self._draws

    def left_out(self) -> dict[str, NDArray[np.float64]]:
        """Every score without each block of images, (blocks,); up to `BLOCKS` images, each image is a block.

        Blocks consist of random images, the same for all objects with equally many images.
        """
        images = len(self)
        blocks = min(BLOCKS, images)
        block = torch.randperm(images, generator=torch.Generator().manual_seed(0)) % max(1, blocks)
        sums = {}
        for key, stack in self._all().items():
            of_block = stack.new_zeros(blocks, *stack.shape[1:]).index_add(0, block, stack)
            sums[key] = stack.sum(0) - of_block
        scores = [self._read({key: rest[number] for key, rest in sums.items()})[0] for number in range(blocks)]
        return {name: np.array([float(without[name]) for without in scores]) for name in scores[0]}

    def each(self, metric: str) -> list[float]:
        """One score for each single image."""
        stacks = self._all()
        return [
            float(self._read({key: stack[image] for key, stack in stacks.items()})[0][metric])
            for image in range(len(self))
        ]

    def _scores(self, weights: Tensor) -> Iterator[dict[str, float]]:
        """The scores over each sample of images: a row of `weights` (samples, images) says how often each image counts.

        All samples are summed at once, as a product of matrices: a thousand sums of 654 histograms one after the other
        take minutes.
        """
        sums = {key: _weighted(weights, stack) for key, stack in self._all().items()}
        for sample in range(len(weights)):
            scores, _ = self._read({key: total[sample] for key, total in sums.items()})
            yield {name: float(score) for name, score in scores.items()}

    def _read(self, states: Mapping[tuple[str, str], Tensor]) -> tuple[dict[str, Tensor], Evidence]:
        """The scores from the states of all metrics, and the evidence for them."""
        values: dict[str, Any] = {}
        for name, metric in self.metrics.items():
            metric.reset()
            for state in self.kept[name]:
                setattr(metric, state, states[name, state])
            metric._update_count = 1
            result = metric.compute()
            values |= result if isinstance(result, Mapping) else {name: result}
        return self.whole.judge(values)

    def _all(self) -> dict[tuple[str, str], Tensor]:
        """The contribution of every image to each state of each metric, (images, ...), stacked once."""
        if not self._stacks:
            for name, states in self.kept.items():
                for state, kept in states.items():
                    stack = self._stacks[name, state] = torch.stack(kept)
                    kept[:] = stack.unbind()  # views, so that nothing is in memory twice
        return self._stacks

    def _stack(self, name: str, state: str) -> Tensor:
        return self._all()[name, state]


def _weighted(weights: Tensor, stack: Tensor) -> Tensor:
    """The sums (samples, ...) of a state by `weights` (samples, images); exact for whole numbers below 2^53."""
    sums = weights.double() @ stack.reshape(len(stack), -1).double()
    return sums.to(stack.dtype).reshape(len(weights), *stack.shape[1:])


def _reductions(metric: Metric) -> list[Any]:
    return list(metric._reductions.values())
