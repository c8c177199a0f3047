"""Two single-task networks as one: the average of what they predict, a baseline with twice the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from afanet.comparison.images import ImageScores
from afanet.comparison.resampling import Draw
from afanet.progress import Bar
from afanet.runs.loaded import LoadedNetwork
from afanet.runs.run import Run
from afanet.tasks import Task
from afanet.tasks.kinds import read_estimate
from afanet.training.loaders import scoring_loader

Estimates = dict[str, NDArray[np.float32]]


def pairs(seeds: int) -> list[tuple[int, int]]:
    """The pairs of seeds to average: each seed with the next in a circle; two seeds make one pair, a single seed none.

    >>> pairs(4), pairs(2), pairs(1)
    ([(0, 1), (1, 2), (2, 3), (3, 0)], [(0, 1)], [])
    """
    return [(first, (first + 1) % seeds) for first in range(seeds if seeds > 2 else seeds - 1)]


def ensemble_scores(runs: Sequence[Run]) -> dict[Draw, dict[str, ImageScores]]:
    r"""The scores of averages of two single-task runs, by task, under the fold and seed of the first run.

    The estimates are averaged like those of several views of a photo: probabilities of classes and labels, metres,
    directions. The prediction is decided from the average. Networks are paired as in `pairs`, within a fold, so that
    with three seeds or more, each counts as often as in the row of single task.

    The ensembles of one circle share networks, but the interval over them, paired with single task, is conservative.
    Let the scores of single task be s_i = mu + a_i with Var a_i = sigma^2, and those of the ensembles

    .. math:: e_i = \mu + g + c\,(a_i + a_{i+1}) / 2, \qquad d_i = e_i - s_i,

    where a share c of a network's luck carries over to its ensembles. The mean of n differences has the variance
    (1 - c)^2 sigma^2 / n, and the estimate from their spread, as if they were independent, has the expectation

    .. math:: \frac{\sigma^2}{n}\left[(1-c)^2 + \frac{n}{n-1}\left(c - \frac{c^2}{2}\right)\right],

    which is never smaller for c from 0 to 2.

    Args:
        runs: runs of the method `single`, each with a different fold or seed.

    Raises:
        InputError: for data that cannot be read, weights that cannot be used, and outputs that are not finite.
    """
    by_fold: dict[int | None, list[Run]] = {}
    for run in runs:
        by_fold.setdefault(Draw.of(run.recipe).fold, []).append(run)
    scores: dict[Draw, dict[str, ImageScores]] = {}
    for of_fold in by_fold.values():
        if paired := pairs(len(of_fold)):
            scores |= _of_fold(of_fold, paired)
    return scores


def _of_fold(runs: Sequence[Run], paired: Sequence[tuple[int, int]]) -> dict[Draw, dict[str, ImageScores]]:
    """As `ensemble_scores`, for runs of one fold, in one pass over its test split."""
    data, tasks = runs[0].open()
    recipe, images = runs[0].recipe, len(data.test)
    scores = [{name: ImageScores(task) for name, task in tasks.items()} for _ in paired]
    networks = [LoadedNetwork(run, tasks) for run in runs]
    line = f"predicting {images} test images by pairs of single-task networks"
    with Bar(images, "predicting by pairs", line=line) as bar:
        for batch in scoring_loader(data, data.test, recipe):
            estimates = [_estimates(network, tasks, batch["image"]) for network in networks]
            for (first, second), of_pair in zip(paired, scores, strict=True):
                for name, task in tasks.items():
                    both = np.stack([estimates[first][name], estimates[second][name]])
                    of_pair[name].update(_decided(task, both, recipe.data.size), batch["targets"][name])
            bar.advance(len(batch["id"]))
    return {Draw.of(runs[first].recipe): of_pair for (first, _), of_pair in zip(paired, scores, strict=True)}


def _estimates(network: LoadedNetwork, tasks: Mapping[str, Task], images: Tensor) -> Estimates:
    logits = network.answer(images)
    return {name: task.estimate(logits[name]).cpu().numpy() for name, task in tasks.items()}


def _decided(task: Task, both: NDArray[np.float32], size: tuple[int, int]) -> Tensor:
    """The predictions of a task, as its metrics take them, from estimates (2, B, ...) of images of a size (H, W)."""
    meaning, means = task.meaning | task.sides, both.mean(0, dtype=np.float32)
    results = [read_estimate(task.name, meaning, mean, size) for mean in means]
    return torch.from_numpy(np.stack([result.as_target() for result in results]))
