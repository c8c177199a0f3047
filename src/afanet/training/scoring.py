"""A network's scores over a whole split."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from lightning.fabric import Fabric
from torch import nn

from afanet.data import Data, Split
from afanet.distributed.device import answering
from afanet.recipe.schema import Recipe
from afanet.tasks import Task
from afanet.tasks.scores import TaskScores
from afanet.training.loaders import scoring_loader

Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Scored:
    """The scores of a split; `fault` says why the scores of the first faulty task are NaN; None if no task is faulty.

    `unscored` says, by task, why its scores would mean nothing and are NaN: the split has no label of the task, or
    labels of only one class. That is not a fault.
    """

    scores: Scores
    fault: str | None
    unscored: dict[str, str]


def score(
    fabric: Fabric,
    network: nn.Module,
    tasks: Mapping[str, Task],
    data: Data,
    split: Split,
    recipe: Recipe,
    advance: Callable[[int], None] = lambda images: None,
) -> Scored:
    """`{task: {metric: score}}` over all samples of a split, divided among the processes, computed in float32.

    A task whose outputs are not numbers for some sample has no scores. `advance` is called after each batch with its
    number of images in all processes. The network is left in eval mode.
    """
    metrics = {name: TaskScores.of(task).to(fabric.device) for name, task in tasks.items()}
    network.eval()
    with answering(fabric.device):
        for batch in scoring_loader(data, split, recipe, fabric.global_rank, fabric.world_size):
            batch = fabric.to_device(batch)
            logits = network(batch["image"].contiguous(memory_format=torch.channels_last))
            for name, task in tasks.items():
                metrics[name].update(task.predict(logits[name]), batch["targets"][name], logits[name])
            advance(len(batch["id"]) * fabric.world_size)
        return read_scores(metrics, tasks, next(name for name, each in data.splits.items() if each is split))


def read_scores(metrics: Mapping[str, TaskScores], tasks: Mapping[str, Task], split: str) -> Scored:
    """The scores counted over a split of this name, read only once at the end, so that no batch waits for them."""
    scores, faults, unscored = {}, [], {}
    for name, task in tasks.items():
        values, evidence = metrics[name].read()
        of_task = {key: float(value) for key, value in values.items()}
        if reason := evidence.unscorable(task, split):
            unscored[name] = reason
        faults.append(_find_fault(name, task, of_task, evidence.fault(task), name not in unscored))
        scores[name] = dict.fromkeys(of_task, math.nan) if name in unscored else of_task
    return Scored(scores, next(filter(None, faults), None), unscored)


def _find_fault(name: str, task: Task, scores: Mapping[str, float], broken: str | None, scorable: bool) -> str | None:
    """Why a task's scores are not finite though they should be; None if there is no fault.

    NaN is a fault in the main metric only: the labels of a split may leave the others undefined.
    """
    if broken:
        return f"task '{name}' has no {task.main_metric}, because {broken}"
    for key, value in scores.items():
        if math.isinf(value) or (scorable and key == task.main_metric and math.isnan(value)):
            return f"task '{name}' has no {key}, which is {value}, though its outputs are finite"
    return None


def scored_splits(data: Data) -> dict[str, Split]:
    """The splits that are scored at the end, by the key of their scores: `tasks` is the test split's."""
    return {"tasks": data.test} | ({"validation": data.validation} if data.validation else {})
