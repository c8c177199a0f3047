"""A network's scores over a whole split."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from afanet.data import Data, Split
from afanet.distributed.sums import across
from afanet.recipe.schema import Recipe
from afanet.tasks import Task
from afanet.training.loaders import scoring_loader

Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Scored:
    """The scores of a split; `fault` says why the scores of the first faulty task are no numbers, None if no task is.

    A task without a label in the split has no scores either; that is no fault.
    """

    scores: Scores
    fault: str | None


def score(
    fabric: Fabric,
    network: nn.Module,
    tasks: Mapping[str, Task],
    data: Data,
    split: Split,
    recipe: Recipe,
    advance: Callable[[int], None] = lambda images: None,
) -> Scored:
    """`{task: {metric: score}}` over all samples of a split, which the processes share out.

    A task whose outputs are not finite for some sample has no scores: argmax gives a class even for NaN, and accuracy
    would count it. `advance` is called after each batch with its number of images in all processes. The network is left
    in eval mode.
    """
    metrics = {name: task.metrics().to(fabric.device) for name, task in tasks.items()}
    # Read once at the end, so that no batch waits for the device.
    seen = {name: torch.zeros(2, dtype=torch.bool, device=fabric.device) for name in tasks}
    network.eval()
    with torch.inference_mode():
        for batch in scoring_loader(data, split, recipe, fabric.global_rank, fabric.world_size):
            batch = fabric.to_device(batch)
            with fabric.autocast():
                logits = network(batch["image"].contiguous(memory_format=torch.channels_last))
            for name, task in tasks.items():
                target = batch["targets"][name]
                seen[name] |= torch.stack([~logits[name].isfinite().all(), task.labelled(target).any()])
                metrics[name].update(task.predict(logits[name]), target)
            advance(len(batch["id"]) * fabric.world_size)
        both: Tensor = across(fabric).max(torch.stack(list(seen.values())).float())
        scores, faults = {}, []
        for (name, task), (broken, labelled) in zip(tasks.items(), both.bool().tolist(), strict=True):
            of_task = {key: float(value) for key, value in metrics[name].compute().items()}
            scores[name] = dict.fromkeys(of_task, math.nan) if broken else of_task
            faults.append(_find_fault(name, task, of_task, broken, labelled))
        return Scored(scores, next(filter(None, faults), None))


def _find_fault(name: str, task: Task, scores: Mapping[str, float], broken: bool, labelled: bool) -> str | None:
    """Why a task's scores are not finite although they should be; None if there is no fault.

    NaN is a fault in the main metric only: the labels of a split may leave the others undefined.
    """
    if broken:
        return f"task '{name}' has no {task.main_metric}, because its outputs are not finite"
    for key, value in scores.items():
        if math.isinf(value) or (labelled and key == task.main_metric and math.isnan(value)):
            return f"task '{name}' has no {key}, which is {value}, though its outputs are finite"
    return None


def scored_splits(data: Data) -> dict[str, Split]:
    """The splits that are scored at the end, by the key of their scores: `tasks` is the test split's."""
    return {"tasks": data.test} | ({"validation": data.validation} if data.validation else {})
