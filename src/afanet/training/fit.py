"""Training a prepared job to its end, and scoring the trained network."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from time import perf_counter
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import nn

from afanet.data import Data
from afanet.data.cache import fingerprint
from afanet.data.resident import resident
from afanet.distributed.device import find_device
from afanet.distributed.processes import create_fabric
from afanet.networks.memory_format import channels_last
from afanet.progress import Bar, say
from afanet.runs.checkpoint import drop_optimizer, read_checkpoint
from afanet.runs.finite import DivergedError, what_to_do
from afanet.runs.folder import RunFolder
from afanet.runs.setup import data_cache, deterministic
from afanet.runs.weights import load_weights, save_weights
from afanet.tasks import Description
from afanet.training.cost import flops
from afanet.training.counting import counted
from afanet.training.features import lacks_augmentation
from afanet.training.job import Job
from afanet.training.kept import require_images, with_kept
from afanet.training.learner import Learner
from afanet.training.loaders import train_loader
from afanet.training.loop import Loop
from afanet.training.scoring import score, scored_splits
from afanet.training.selection import Watch
from afanet.training.state import check_training
from afanet.training.steps import steps_per_epoch, total_steps
from afanet.training.versions import git_state, versions


def fit(job: Job, folder: RunFolder, watch: Watch | None = None) -> None:
    """Train to the end, from the checkpoint in `folder` if there is one, and write metrics.json there.

    `watch` is called after each epoch: see `train`. Raises `DivergedError` if a loss, weight or score is not finite.
    """
    recipe = job.recipe
    saved: dict[str, Any] = {}
    if folder.checkpoint.exists():
        saved = check_training(folder.checkpoint, read_checkpoint(folder.checkpoint))
        torch.set_num_threads(saved["threads"])
    job = counted(job, saved.get("label_counts", {}))
    cost = {
        "parameters": job.parameters,
        "flops": flops(job.network, recipe.data.size, recipe.network.in_chans),
    }
    with deterministic():
        fabric = create_fabric(recipe, find_device(recipe.device))
        content = fingerprint(job.data, data_cache(recipe)) if fabric.is_global_zero else None
        batches = len(train_loader(job.data, recipe))
        steps = saved["learner"]["step"] if saved else 0
        epoch = max(0, -(-steps // steps_per_epoch(batches, recipe)) - 1)  # of the last step
        job, seen = _with_seen(job, saved, fabric.device)
        learner = Learner(fabric, job.network, job.tasks, recipe, total_steps(batches, recipe), epoch, job.teachers)
        loop = Loop(learner, seen, folder, saved, job.counts)
        loop.watch = watch
        if saved:
            say(f"resuming after step {learner.step} of {learner.steps}")
        with loop.log or nullcontext():
            loop.run()
            loop.require_selected()
            trained = perf_counter()
            load_weights(learner.scored, folder.selected(recipe))
            scores = score_splits(job, fabric, learner.scored, what_to_do(folder, learner.step))
            loop.close(scores["tasks"])
    if recipe.skip_nonfinite:
        say(f"{learner.skipped} of {learner.step} steps were skipped because a loss was not finite")
    if fabric.is_global_zero:
        seconds = {"training": loop.seconds, "evaluation": perf_counter() - trained}
        save_weights(folder.scored, learner.scored.state_dict())
        folder.write(folder.metrics, _results(job, loop, scores, content, seconds, cost))
        if not recipe.keep_optimizer:
            drop_optimizer(folder.checkpoint)
    fabric.barrier()


def _with_seen(job: Job, saved: Mapping[str, Any], device: torch.device) -> tuple[Job, Data]:
    """The job, and the data that it trains on: with kept features or answers if they fit, or resident."""
    seen = with_kept(job, saved)
    if not job.recipe.data.resident:
        return job, seen
    require_images(seen.train)
    whole = resident(job.data, job.tasks, device)
    return replace(job, data=whole), whole


def score_splits(job: Job, fabric: Fabric, network: nn.Module, advice: str) -> dict[str, Any]:
    """The scores of every split that is scored at the end, and `unscored`: by split, why tasks have none.

    Raises `DivergedError`, with `advice`, for faulty ones.
    """
    network = fabric.to_device(channels_last(network))  # as in training, for the same last bits
    scores: dict[str, Any] = {"unscored": {}}
    for key, split in scored_splits(job.data).items():
        name = "test" if key == "tasks" else key
        with Bar(
            len(split), f"scoring the {name} split", line=f"scoring {len(split)} images of the {name} split"
        ) as bar:
            scored = score(fabric, network, job.tasks, job.data, split, job.recipe, bar.advance)
        if scored.fault:
            raise DivergedError(f"after training, on the {name} split, {scored.fault}: {advice}")
        scores[key], scores["unscored"][key] = scored.scores, scored.unscored
    return scores


def _machine_made(job: Job) -> dict[str, Any]:
    """How many labels of the run's tasks come from a network, by split and task; empty if none do."""
    made = {
        split: {name: dict(count) for name, count in tasks.items() if name in job.tasks}
        for split, tasks in job.data.machine_made.items()
    }
    return {"machine_made": made} if any(made.values()) else {}


def _results(
    job: Job,
    loop: Loop,
    scores: Mapping[str, Any],
    content: str | None,
    seconds: Mapping[str, float],
    cost: Mapping[str, int],
) -> dict[str, Any]:
    """The content of metrics.json."""
    recipe, learner, fabric = job.recipe, loop.learner, loop.fabric
    return {
        "recipe": recipe.name,
        "method": recipe.network.method,
        **scores,
        "data": job.data.describe,
        "described": {name: Description.of(task).as_json() for name, task in job.tasks.items()},
        "fingerprint": content,
        "features": loop.kept["features"] or None,
        "without_augmentation": lacks_augmentation(job, loop.data),
        **_machine_made(job),
        "weights": job.weights_report,
        "teachers": {} if job.teachers is None else job.teachers.titles,
        "label_counts": loop.counts,
        "epochs": -(-learner.step // loop.per_epoch),
        "steps": learner.step,
        "selected_epoch": loop.selection.epoch if recipe.selects else None,
        "stopped_epoch": loop.epochs if loop.stopped else None,
        "skipped": learner.skipped,
        "seconds": seconds,
        **cost,
        "device": str(fabric.device),
        "processes": fabric.world_size,
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "git": git_state(),
    }
