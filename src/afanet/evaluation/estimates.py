"""Scores of a model's estimates, whether the model is a run's network in torch or an exported file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from afanet.data import Data, Sample, Split
from afanet.errors import InputError
from afanet.framing import framing
from afanet.inference.model import Model
from afanet.inference.predictor import Predictor
from afanet.limits import MOST_PHOTOS
from afanet.networks.outputs import Dense
from afanet.progress import Bar
from afanet.recipe.schema import Recipe
from afanet.tasks import Task
from afanet.tasks.kinds import read_estimate
from afanet.tasks.scores import TaskScores
from afanet.training.loaders import scoring_loader
from afanet.training.scoring import Scored, read_scores


def score_at_truth(
    model: Model, tasks: Mapping[str, Task], split: Split, name: str, recipe: Recipe, bar: Bar
) -> Scored:
    """The scores of a model's answers for photos at their own size."""
    predictor = Predictor(model, batch_size=min(recipe.batch_size, MOST_PHOTOS))
    metrics = {task: TaskScores.of(tasks[task]) for task in tasks}
    loader = DataLoader(split, batch_size=recipe.batch_size, num_workers=recipe.workers, collate_fn=list)
    for batch in loader:
        samples = cast(list[Sample], batch)
        photos = [sample["image"].as_subclass(Tensor).permute(1, 2, 0).numpy() for sample in samples]
        for sample, photo, results in zip(samples, photos, predictor.predict(photos), strict=True):
            size = (photo.shape[0], photo.shape[1])
            seen = framing(size, model.about.size, model.about.resize).seen
            for task_name, task in tasks.items():
                target = sample["targets"].get(task_name)
                truth = task.unlabelled(size) if target is None else target.as_subclass(Tensor)
                prediction = torch.from_numpy(results[task_name].as_target())
                if isinstance(task.output, Dense):
                    prediction, truth = prediction[..., *seen.slices], truth[..., *seen.slices]
                metrics[task_name].update(prediction[None], truth[None])
        bar.advance(len(samples))
    return read_scores(metrics, tasks, name)


def score_estimates(
    model: Model, tasks: Mapping[str, Task], data: Data, split: Split, name: str, recipe: Recipe, bar: Bar
) -> Scored:
    """The scores of a model's estimates for images at the network's input size."""
    metrics = {task: TaskScores.of(tasks[task]) for task in tasks}
    for batch in cast(Any, scoring_loader(data, split, recipe)):
        estimates = model.estimate(batch["image"].numpy())
        for task_name in tasks:
            meaning = model.about.tasks[task_name]
            if not np.isfinite(estimates[task_name]).all():
                raise InputError(f"task '{task_name}' has outputs that are not finite: train the run again")
            results = [read_estimate(task_name, meaning, each, recipe.data.size) for each in estimates[task_name]]
            predictions = torch.from_numpy(np.stack([result.as_target() for result in results]))
            metrics[task_name].update(predictions, batch["targets"][task_name])
        bar.advance(len(batch["id"]))
    return read_scores(metrics, tasks, name)
