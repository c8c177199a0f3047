"""Scoring a finished run by another protocol."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from afanet.data import Data, Sample, Split
from afanet.distributed.processes import create_fabric
from afanet.errors import InputError
from afanet.evaluation.data import open_split, recipe_for
from afanet.evaluation.own_size import at_own_size
from afanet.evaluation.protocol import Protocol
from afanet.files import require_writable, write_whole
from afanet.framing import framing
from afanet.inference.model import Model
from afanet.inference.predictor import Predictor
from afanet.inference.run_model import RunModel
from afanet.inference.windows import Windowed
from afanet.json_text import strict, to_json
from afanet.limits import MOST_PHOTOS
from afanet.networks.outputs import Dense
from afanet.progress import Bar
from afanet.recipe.schema import Recipe
from afanet.runs.run import load_run
from afanet.runs.setup import deterministic, plain_errors
from afanet.tasks import Task
from afanet.tasks.kinds import read_estimate
from afanet.tasks.scores import TaskScores
from afanet.training.loaders import scoring_loader
from afanet.training.scoring import Scored, read_scores, score


@dataclass(frozen=True)
class Evaluation:
    """The scores of a run by a protocol, over so many `images` of `tasks`; `file` is where they are kept, if anywhere.

    `scored` is as that of a split at the end of training.
    """

    scored: Scored
    tasks: dict[str, Task]
    images: int
    method: str
    file: Path | None


def evaluate_by(
    source: str | Path, protocol: Protocol, device: str | None = None, out: Path | None = None
) -> Evaluation:
    """Score the finished run `source`, as `load_run` takes it, by `protocol`, and keep the scores in `out`.

    By default they are kept in the folder of the run under the name of the protocol, unless it is read-only or a saved
    folder; neither `metrics.json` nor `evaluation.json` changes. With the protocol of its training a run has its own
    scores, bit for bit.

    - at `truth`, each prediction is the answer for the photo at its own size, and is compared with the labels as they
      are in their files. What `data.resize: crop` does not see of a photo is not scored.
    - through windows, the network sees each image at `data.size` in overlapping parts, see `Windowed`.

    Raises `InputError` for data, a split, a task or a window that the run cannot be scored on, before anything is
    computed, and for outputs that are not finite.
    """
    run = load_run(source)
    kept_in_run = run.folder.recipe.is_file() and os.access(run.path, os.W_OK)  # a saved folder has no such file
    file = out or (run.path / protocol.file_name if kept_in_run else None)
    if file is not None:
        if file.is_dir():
            raise InputError(f"{file} is a folder, expected the name of a file for the scores: give one with --out")
        require_writable(file)
    if threads := run.results.get("threads"):
        torch.set_num_threads(threads)  # the last bits of a sum depend on the number of threads
    recipe = recipe_for(run, protocol)
    data, split, tasks = open_split(run, recipe, protocol)
    if protocol.at == "truth":
        split = at_own_size(split, str(protocol.data or recipe.data.name), recipe.data.size, recipe.data.resize)
    network = RunModel(run, device, list(tasks))
    model: Model = Windowed(network, protocol.window) if protocol.window else network
    with (
        plain_errors(),
        deterministic(),
        Bar(len(split), "scoring", line=f"scoring {len(split)} images of {protocol}") as bar,
    ):
        if protocol.at == "truth":
            scored = _score_at_truth(model, tasks, split, protocol.split, recipe, bar)
        elif protocol.window:
            scored = _score_estimates(model, tasks, data, split, protocol.split, recipe, bar)
        else:
            some = _Some(network.loaded.network, list(tasks))
            fabric = create_fabric(recipe.model_copy(update={"devices": 1}), network.loaded.device)
            scored = score(fabric, some, tasks, data, split, recipe, bar.advance)
    if scored.fault:
        raise InputError(f"on {protocol}, {scored.fault}: train the run again with a lower optimizer.lr")
    kept = strict({"tasks": scored.scores, "unscored": scored.unscored, "images": len(split)})
    if file is not None:
        about = {"recipe": recipe.name, "method": recipe.network.method, "protocol": protocol.as_json()}
        write_whole(file, to_json(about | kept, indent=2) + "\n")
    return Evaluation(scored, tasks, len(split), recipe.network.method, file)


class _Some(nn.Module):
    """A network of which only some tasks are computed."""

    def __init__(self, network: nn.Module, tasks: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.tasks = tasks

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        logits: dict[str, Tensor] = self.network(images, tasks=self.tasks)
        return logits


def _score_at_truth(
    model: Model, tasks: Mapping[str, Task], split: Split, name: str, recipe: Recipe, bar: Bar
) -> Scored:
    """The scores of what a predictor answers for photos at their own size."""
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


def _score_estimates(
    model: Model, tasks: Mapping[str, Task], data: Data, split: Split, name: str, recipe: Recipe, bar: Bar
) -> Scored:
    """The scores of what a model estimates of the images as the network takes them, at their size."""
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
