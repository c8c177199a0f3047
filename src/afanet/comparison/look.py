"""The scores of a run's test images: read from its folder, or predicted once and kept there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from afanet.comparison.groups import Group
from afanet.comparison.image_file import read_image_scores, write_image_scores
from afanet.comparison.images import ImageScores, Look
from afanet.comparison.resampling import several_folds
from afanet.data import Data
from afanet.data.cache import fingerprint
from afanet.errors import InputError
from afanet.progress import Bar, say
from afanet.runs.loaded import TaskPredictor
from afanet.runs.run import Run
from afanet.runs.setup import as_taken, data_cache
from afanet.tasks import DenseTask, Task
from afanet.training.loaders import scoring_loader


def look(predictor: TaskPredictor, data: Data) -> Look:
    """The scores of each test image, read from the run's folder, or predicted and kept there.

    If the data have changed since training, nothing is kept.

    Raises `InputError` for outputs that are not finite, and for a file in the folder that is damaged.
    """
    run, tasks = predictor.run, predictor.tasks
    if (kept := read_image_scores(run, tasks)) is None:
        kept = _predict(predictor, data)
        try:
            _require_data_of(run, data)
            write_image_scores(run, kept)
        except InputError as error:  # the folder may belong to somebody else
            say(f"warning: {error}")
    for name, task in tasks.items():
        if fault := kept.scores[name].evidence.fault(task):
            say(f"warning: in {run.path} task '{name}' has no scores, because {fault}")
    return kept


class Looked(Mapping[Path, Mapping[str, ImageScores]]):
    """The image scores of runs by folder and task, each read or predicted on access: all at once are too large.

    Args:
        runs: runs of one protocol.
        tasks: all tasks of the runs.
        data: the data whose test split is predicted; without it, only runs with kept scores are included.
        known: the scores of some runs, which are in memory anyway.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        tasks: Mapping[str, Task],
        data: Data | None,
        known: Mapping[Path, Mapping[str, ImageScores]] | None = None,
    ) -> None:
        self.runs = {run.path: run for run in runs}
        self.tasks, self.data, self.known = tasks, data, known or {}

    def __getitem__(self, path: Path) -> Mapping[str, ImageScores]:
        if path in self.known:
            return self.known[path]
        run = self.runs[path]
        if kept := read_image_scores(run, self.tasks):
            return kept.scores
        if self.data is None:
            raise KeyError(path)
        return look(TaskPredictor(run, self.tasks), as_taken(self.data, run.recipe)).scores

    def __iter__(self) -> Iterator[Path]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)


def kept_scores(groups: Sequence[Group]) -> Looked | None:
    """The image scores that runs have kept, for when their data cannot be read; None if tasks have no kept meaning."""
    try:
        return Looked(to_look_at(groups), groups[0].runs[0].tasks, None)
    except InputError:  # the tasks of older runs are known only from their data
        return None


def to_look_at(groups: Sequence[Group]) -> list[Run]:
    """The runs whose images a comparison needs: all, or the first of each method if folds have different images."""
    folded = any(several_folds(group.draws) for group in groups)
    return [run for group in groups for run in (group.runs[:1] if folded else group.runs)]


def _require_data_of(run: Run, data: Data) -> None:
    """Raise `InputError` if the data are no longer those that the run was trained on, as far as it recorded them."""
    content = run.results.get("fingerprint")
    if content is not None and content != fingerprint(data, data_cache(run.recipe)):
        raise InputError(
            f"the data have changed since {run.path} was trained, so the scores of single images are not kept there, "
            "and differ from those of the run: restore the data, or train it again"
        )


def _predict(predictor: TaskPredictor, data: Data) -> Look:
    tasks = predictor.tasks
    scores = {name: ImageScores(task) for name, task in tasks.items()}
    dense = {name: task for name, task in tasks.items() if isinstance(task, DenseTask) and task.bins}
    binned = {name: torch.zeros(2, len(task.bins or ()), dtype=torch.float64) for name, task in dense.items()}
    run, images = predictor.run.path, len(data.test)
    with Bar(images, f"predicting by {run.name}", line=f"predicting {images} test images by {run}") as bar:
        for batch in scoring_loader(data, data.test, predictor.run.recipe):
            predictions = predictor.predict(batch["image"])
            for name in tasks:
                target = batch["targets"][name]
                scores[name].update(predictions[name], target)
                if name in dense:
                    binned[name] += dense[name].binned_errors(predictions[name], target)
            bar.advance(len(batch["id"]))
    return Look(scores, binned)
