"""A network's figures over a whole split."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from lightning.fabric import Fabric
from torch import nn

from afanet.data import Data, Split
from afanet.tasks import Task
from afanet.training.recipe import Recipe
from afanet.training.stream import scoring_loader

Scores = dict[str, dict[str, float]]


def score(
    fabric: Fabric,
    network: nn.Module,
    tasks: Mapping[str, Task],
    data: Data,
    split: Split,
    recipe: Recipe,
    advance: Callable[[int], None] = lambda images: None,
) -> Scores:
    """`{task: {metric: figure}}` over all samples of a split, which the processes share among them.

    `advance` is called after each batch with its number of images. The network is left in eval mode.
    """
    metrics = {name: task.metrics().to(fabric.device) for name, task in tasks.items()}
    network.eval()
    with torch.inference_mode():
        for batch in scoring_loader(data, split, recipe, fabric.global_rank, fabric.world_size):
            batch = fabric.to_device(batch)
            with fabric.autocast():
                logits = network(batch["image"].contiguous(memory_format=torch.channels_last))
            for name, task in tasks.items():
                metrics[name].update(task.predict(logits[name]), batch["targets"][name])
            advance(len(batch["id"]))
        return {
            name: {key: float(value) for key, value in collection.compute().items()}
            for name, collection in metrics.items()
        }


def scored_splits(data: Data) -> dict[str, Split]:
    """The splits that are scored at the end, by the key of their figures: `tasks` is the test split's."""
    return {"tasks": data.test} | ({"validation": data.validation} if data.validation else {})
