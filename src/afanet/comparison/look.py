"""One pass over a run's test split, image by image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from afanet.comparison.images import ImageScores
from afanet.data import Data
from afanet.progress import Bar, say
from afanet.runs.loaded import TaskPredictor
from afanet.tasks import DenseTask
from afanet.training.loaders import scoring_loader


@dataclass(frozen=True)
class Look:
    """One pass over the whole test split: `scores` by task, and the `binned` errors of tasks that have bins."""

    scores: dict[str, ImageScores]
    binned: dict[str, Tensor]


def look(predictor: TaskPredictor, data: Data) -> Look:
    """Predict every image of the test split, and keep what each adds to the scores."""
    tasks = predictor.tasks
    scores = {name: ImageScores(task) for name, task in tasks.items()}
    dense = {name: task for name, task in tasks.items() if isinstance(task, DenseTask) and task.bins}
    binned = {name: torch.zeros(2, len(task.bins or ()), dtype=torch.float64) for name, task in dense.items()}
    run, images = predictor.run.path, len(data.test)
    with Bar(images, f"predicting by {run.name}", line=f"predicting {images} test images by {run}") as bar:
        for batch in scoring_loader(data, data.test, predictor.run.recipe):
            predictions = predictor.predict(batch["image"])
            for name in tasks:
                target = batch["targets"][name]
                scores[name].update(predictions[name], target)
                if name in dense:
                    binned[name] += dense[name].binned_errors(predictions[name], target)
            bar.advance(len(batch["id"]))
    for name, task in tasks.items():
        if fault := scores[name].evidence.fault(task):
            say(f"warning: in {predictor.run.path} task '{name}' has no scores, because {fault}")
    return Look(scores, binned)
