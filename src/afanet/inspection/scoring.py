"""Test images in batches, and scores of the network's predictions for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from afanet.comparison.images import ImageScores
from afanet.data import Batch, Data
from afanet.runs.examples import read_test_samples
from afanet.runs.loaded import TaskPredictor


def sample_batches(predictor: TaskPredictor, data: Data, chosen: Sequence[int]) -> Iterator[Batch]:
    """The test samples with these numbers, in batches as large as those of the run's training."""
    size = predictor.run.recipe.batch_size
    for start in range(0, len(chosen), size):
        yield read_test_samples(data, predictor.tasks, chosen[start : start + size])


def no_scores(predictor: TaskPredictor) -> dict[str, ImageScores]:
    """Empty scores, by task."""
    return {name: ImageScores(task) for name, task in predictor.tasks.items()}


def add_scores(predictor: TaskPredictor, batch: Batch, scores: Mapping[str, ImageScores]) -> None:
    """Predict a batch, and add the score of each image to each task in `scores`."""
    predictions = predictor.predict(batch["image"])
    for name, of_task in scores.items():
        of_task.update(predictions[name], batch["targets"][name])
