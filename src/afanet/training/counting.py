"""What training derives from the label counts of the training split: class weights, and how samples are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from afanet.data.census import Census, take_census
from afanet.errors import InputError
from afanet.progress import Bar, say
from afanet.runs.setup import data_cache
from afanet.tasks.class_weights import CountedTask
from afanet.training.job import Job
from afanet.training.sampler import sample_chances

LISTED = 12  # the most weights in a line

Counts = Mapping[str, list[int]]  # by task


def counted(job: Job, kept: Counts) -> Job:
    """The job with the balanced class weights and the sampling probabilities that its recipe asks for.

    Tasks whose counts an interrupted run has `kept` are not counted again. Raises `InputError` as `take_census` does.
    """
    waiting = {name: task for name, task in job.tasks.items() if isinstance(task, CountedTask) and task.wants_counts}
    sampler = job.recipe.sampler
    census = _census(job, list(dict.fromkeys([*(name for name in waiting if name not in kept), *sampler.tasks])))
    counts = {name: _kept(task, kept) or census[name].counts.tolist() for name, task in waiting.items()}
    tasks = dict(job.tasks)
    for name, task in waiting.items():
        tasks[name] = weighted = task.with_counts(counts[name])
        say(f"class_weights of '{name}', balanced over {sum(counts[name]):,} labels: {_listed(weighted)}")
    data = job.data
    if sampler.tasks:
        by_task = {name: census[name] for name in sampler.tasks}
        data = replace(data, chances=sample_chances(by_task, len(data.train), sampler.classes))
        never = np.count_nonzero(data.chances == 0)
        rest = f"; {never} of {len(data.train)} have none and are never drawn" if never else ""
        say(f"training samples are drawn by their labels of {', '.join(sampler.tasks)}{rest}")
    return replace(job, tasks=tasks, data=data, counts=counts)


def _kept(task: CountedTask, kept: Counts) -> list[int] | None:
    """The counts of a task that an interrupted run has kept; raises `InputError` for counts of other classes."""
    if task.name in kept and len(kept[task.name]) != task.states:
        raise InputError(
            f"the run has counted {len(kept[task.name])} classes of task '{task.name}', and now it has {task.states}: "
            "start another run with --out"
        )
    return kept.get(task.name)


def _census(job: Job, names: Sequence[str]) -> dict[str, Census]:
    if not names:
        return {}
    total = len(job.data.train)
    line = f"counting the labels of {total} training samples, unless they are counted already"
    with Bar(total, "counting labels", line=line) as bar:
        return take_census(job.data, names, data_cache(job.recipe), job.recipe.workers, bar.advance)


def _listed(task: CountedTask) -> str:
    """The weights of a task's classes, or the smallest and the largest of many."""
    weights = task.balanced
    if len(weights) <= LISTED:
        return ", ".join(f"{name} {weight:.3g}" for name, weight in weights.items())
    low, high = min(weights, key=weights.__getitem__), max(weights, key=weights.__getitem__)
    return f"from {low} {weights[low]:.3g} to {high} {weights[high]:.3g}"
