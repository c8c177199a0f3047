"""What a finished run predicts, image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from afanet.comparison.images import ImageScores
from afanet.comparison.runs import Finished
from afanet.data import Batch, Collate, Data
from afanet.distributed.device import find_device
from afanet.distributed.processes import create_fabric
from afanet.errors import InputError
from afanet.progress import Bar, say
from afanet.runs.checkpoint import load_checkpoint
from afanet.runs.setup import build_network, deterministic
from afanet.tasks import Described, Task
from afanet.tasks.depth.metrics import measured
from afanet.tasks.depth.task import Depth
from afanet.training.learner import channels_last
from afanet.training.loaders import scoring_loader

DISTANCES = 20  # bins up to the far end of a depth task's colours


@dataclass(frozen=True)
class Look:
    """One look at the whole test split: `scores` by task, and for depth tasks the error by distance.

    `distances[TASK]` is (2, DISTANCES): the sum of absolute errors in metres, and the pixels, of each bin.
    """

    scores: dict[str, ImageScores]
    distances: dict[str, Tensor]


class Loaded:
    """The network of a finished run with its checkpoint, as it was scored; it needs no data.

    A task that the run has no score of is said on the standard error.
    """

    def __init__(self, run: Finished, tasks: Mapping[str, Described]) -> None:
        self.run = run
        for name, task in tasks.items():
            if run.score(name, task.main_metric) is None:
                say(
                    f"{run.folder.path} has no {task.main_metric} of task '{name}': its test split has no label of it, "
                    "or its outputs were not finite"
                )
        network = build_network(run.recipe, tasks, weights="none")
        load_checkpoint(network, run.folder.weights(run.recipe))
        self.fabric: Fabric = create_fabric(
            run.recipe.model_copy(update={"devices": 1}), find_device(run.recipe.device)
        )
        self.network: nn.Module = self.fabric.to_device(channels_last(network)).eval()

    def answer(self, images: Tensor) -> dict[str, Tensor]:
        """Logits by task for normalised images (B, 3, H, W); raises `InputError` for any that are not finite."""
        with torch.inference_mode(), self.fabric.autocast(), deterministic():
            logits: dict[str, Tensor] = self.network(
                self.fabric.to_device(images).contiguous(memory_format=torch.channels_last)
            )
            for name, values in logits.items():
                if not values.isfinite().all():
                    raise InputError(
                        f"in run {self.run.folder.path} task '{name}' has outputs that are not finite: train it again "
                        "with a lower optimizer.lr, or with optimizer.clip"
                    )
        return logits


class Predictor(Loaded):
    """A loaded network with its tasks, in whose terms it predicts."""

    def __init__(self, run: Finished, tasks: Mapping[str, Task]) -> None:
        super().__init__(run, tasks)
        self.tasks = dict(tasks)

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """Predictions by task for normalised images (B, 3, H, W), on the CPU."""
        logits = self.answer(images)
        return {name: task.predict(logits[name]).cpu() for name, task in self.tasks.items()}


def look(predictor: Predictor, data: Data) -> Look:
    """Predict every image of the test split, and keep what each adds to the figures."""
    tasks = predictor.tasks
    scores = {name: ImageScores(task) for name, task in tasks.items()}
    far = {name: task.max_metres for name, task in tasks.items() if isinstance(task, Depth)}
    distances = {name: torch.zeros(2, DISTANCES, dtype=torch.float64) for name in far}
    with Bar(len(data.test), f"looking at {predictor.run.folder.path.name}") as bar:
        for batch in scoring_loader(data, data.test, predictor.run.recipe):
            predictions = predictor.predict(batch["image"])
            for name in tasks:
                target = batch["targets"][name]
                scores[name].update(predictions[name], target)
                if name in far:
                    distances[name] += _by_distance(predictions[name], target, far[name])
            bar.advance(len(batch["id"]))
    return Look(scores, distances)


def examples(data: Data, tasks: Mapping[str, Task], indices: Sequence[int]) -> Batch:
    """The test samples with these numbers as one batch."""
    return Collate(dict(tasks))([data.test[index] for index in indices])


def _by_distance(prediction: Tensor, target: Tensor, far: float) -> Tensor:
    where = measured(target)
    truth = target[where].double()
    bins = (truth / far * DISTANCES).long().clamp(max=DISTANCES - 1)
    errors = torch.bincount(bins, (prediction[where].double() - truth).abs(), minlength=DISTANCES)
    return torch.stack([errors, torch.bincount(bins, minlength=DISTANCES).double()])
