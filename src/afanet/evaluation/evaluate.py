"""Scores a finished run by another protocol, or an exported file by any protocol."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from afanet.distributed.processes import create_fabric
from afanet.errors import InputError
from afanet.evaluation.data import open_split, open_split_for_file, recipe_for, recipe_for_file
from afanet.evaluation.estimates import score_at_truth, score_estimates
from afanet.evaluation.own_size import at_own_size
from afanet.evaluation.protocol import Protocol
from afanet.files import require_writable, write_whole
from afanet.inference.formats import open_file
from afanet.inference.model import Model
from afanet.inference.run_model import RunModel
from afanet.inference.windows import Windowed
from afanet.json_text import strict, to_json
from afanet.progress import Bar
from afanet.recipe.schema import Recipe
from afanet.runs.run import load_run
from afanet.runs.setup import deterministic, plain_errors
from afanet.tasks import Task
from afanet.training.scoring import Scored, score


@dataclass(frozen=True)
class Evaluation:
    """The scores of a run by a protocol: of `tasks`, over `images` images; `file` is where they are kept, if anywhere.

    `scored` is like that of a split at the end of training.
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

    By default, the scores are kept in the folder of the run, under the name of the protocol, unless the folder is
    read-only or a saved one; neither `metrics.json` nor `evaluation.json` changes. With the protocol of its training, a
    run gets its own scores, bit for bit.

    - at `truth`, each prediction is the answer for the photo at its own size, compared with the labels as they are in
      their files. Parts of a photo that `data.resize: crop` does not see are not scored.
    - through windows, the network sees each image at `data.size` in overlapping parts, see `Windowed`.

    Raises `InputError` for data, a split, a task or a window that the run cannot be scored on, before anything is
    computed, and for outputs that are not finite.
    """
    run = load_run(source)
    kept_in_run = run.folder.recipe.is_file() and os.access(run.path, os.W_OK)  # a saved folder has no such file
    file = out or (run.path / protocol.file_name if kept_in_run else None)
    _require_target(file)
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
            scored = score_at_truth(model, tasks, split, protocol.split, recipe, bar)
        elif protocol.window:
            scored = score_estimates(model, tasks, data, split, protocol.split, recipe, bar)
        else:
            some = _Some(network.loaded.network, list(tasks))
            fabric = create_fabric(recipe.model_copy(update={"devices": 1}), network.loaded.device)
            scored = score(fabric, some, tasks, data, split, recipe, bar.advance)
    return _kept(scored, tasks, len(split), recipe, protocol, file)


def evaluate_file(source: Path, protocol: Protocol, device: str | None = None, out: Path | None = None) -> Evaluation:
    """Score a file of `afanet export` by `protocol`, as its runtime answers, and keep the scores in `out` if given.

    The data are those of the run in whose folder the file lies, or of the recipe that `protocol.data` names. Raises
    `InputError` for a file that cannot be used or is not in the folder of a run, and as `evaluate_by` does.
    """
    _require_target(out)
    model: Model = open_file(source, device, protocol.tasks)
    recipe = recipe_for_file(source, model.about, protocol)
    data, split, tasks = open_split_for_file(source, model.about, recipe, protocol)
    if protocol.at == "truth":
        split = at_own_size(split, str(protocol.data or recipe.data.name), recipe.data.size, recipe.data.resize)
    if protocol.window:
        model = Windowed(model, protocol.window)
    line = f"scoring {len(split)} images of {protocol}"
    with plain_errors(), Bar(len(split), "scoring", line=line) as bar:
        if protocol.at == "truth":
            scored = score_at_truth(model, tasks, split, protocol.split, recipe, bar)
        else:
            scored = score_estimates(model, tasks, data, split, protocol.split, recipe, bar)
    return _kept(scored, tasks, len(split), recipe, protocol, out)


def _require_target(file: Path | None) -> None:
    if file is not None:
        if file.is_dir():
            raise InputError(f"{file} is a folder, expected the name of a file for the scores: give one with --out")
        require_writable(file)


def _kept(
    scored: Scored, tasks: dict[str, Task], images: int, recipe: Recipe, protocol: Protocol, file: Path | None
) -> Evaluation:
    """The evaluation, written to `file` if there is one; raises `InputError` for scores that are not numbers."""
    if scored.fault:
        raise InputError(f"on {protocol}, {scored.fault}: train the run again with a lower optimizer.lr")
    if file is not None:
        about = {"recipe": recipe.name, "method": recipe.network.method, "protocol": protocol.as_json()}
        scores = strict({"tasks": scored.scores, "unscored": scored.unscored, "images": images})
        write_whole(file, to_json(about | scores, indent=2) + "\n")
    return Evaluation(scored, tasks, images, recipe.network.method, file)


class _Some(nn.Module):
    """A network of which only some tasks are computed."""

    def __init__(self, network: nn.Module, tasks: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.tasks = tasks

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        logits: dict[str, Tensor] = self.network(images, tasks=self.tasks)
        return logits
