"""A look over a run's test split, image by image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from afanet.comparison.images import ImageScores
from afanet.data import Data
from afanet.progress import Bar
from afanet.runs.loaded import TaskPredictor
from afanet.tasks.depth.task import Depth, measured
from afanet.training.loaders import scoring_loader

DISTANCES = 20  # bins up to the far end of a depth task's colours


@dataclass(frozen=True)
class Look:
    """One look at the whole test split: `scores` by task, and for depth tasks the error by distance.

    `distances[TASK]` is (2, DISTANCES): the sum of absolute errors in metres, and the pixels, of each bin.
    """

    scores: dict[str, ImageScores]
    distances: dict[str, Tensor]


def look(predictor: TaskPredictor, data: Data) -> Look:
    """Predict every image of the test split, and keep what each adds to the scores."""
    tasks = predictor.tasks
    scores = {name: ImageScores(task) for name, task in tasks.items()}
    far = {name: task.max_metres for name, task in tasks.items() if isinstance(task, Depth)}
    distances = {name: torch.zeros(2, DISTANCES, dtype=torch.float64) for name in far}
    with Bar(len(data.test), f"looking at {predictor.run.path.name}") as bar:
        for batch in scoring_loader(data, data.test, predictor.run.recipe):
            predictions = predictor.predict(batch["image"])
            for name in tasks:
                target = batch["targets"][name]
                scores[name].update(predictions[name], target)
                if name in far:
                    distances[name] += _by_distance(predictions[name], target, far[name])
            bar.advance(len(batch["id"]))
    return Look(scores, distances)


def _by_distance(prediction: Tensor, target: Tensor, far: float) -> Tensor:
    where = measured(target)
    truth = target[where].double()
    bins = (truth / far * DISTANCES).long().clamp(max=DISTANCES - 1)
    errors = torch.bincount(bins, (prediction[where].double() - truth).abs(), minlength=DISTANCES)
    return torch.stack([errors, torch.bincount(bins, minlength=DISTANCES).double()])
