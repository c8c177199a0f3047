"""The scores of an exported file on images that its run did not train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from afanet.data import Data, Split
from afanet.errors import InputError
from afanet.evaluation.data import open_split
from afanet.evaluation.estimates import score_estimates
from afanet.evaluation.protocol import Protocol, SplitName
from afanet.export.check import Answer
from afanet.inference.model import About, Estimates
from afanet.inference.run_model import about_run
from afanet.progress import Bar
from afanet.runs.run import Run
from afanet.runs.setup import plain_errors
from afanet.tasks import Task
from afanet.training.scoring import Scores


@dataclass(frozen=True)
class HeldOut:
    """A split of a run's data on which files are scored: the validation split if there is one, else the test split.

    `tasks` are the file's tasks that can be scored, and `name` is the name of the split.
    """

    run: Run
    data: Data
    split: Split
    name: str
    tasks: dict[str, Task]

    @classmethod
    def of(cls, run: Run, chosen: Sequence[str]) -> HeldOut:
        """The split for some tasks of a run; raises `InputError` if its data cannot be read."""
        try:
            validation = run.data().validation
            name: SplitName = "validation" if validation is not None and len(validation) else "test"
            data, split, tasks = open_split(run, run.recipe, Protocol(split=name, tasks=tuple(chosen)))
        except InputError as error:
            raise InputError(
                f"a file below float32 is checked by its scores on held-out images, but those of {run.path} cannot be "
                f"read: {error}"
            ) from error
        return cls(run, data, split, name, tasks)

    def __str__(self) -> str:
        """The images in words, to end a sentence such as "scored on ..."."""
        return f"the {len(self.split)} images of the {self.name} split"

    def scores(self, answer: Answer, doing: str, *, batch: bool) -> Scores:
        """The scores of the estimates of `answer`, by task and metric; NaN if the labels leave a score undefined.

        Without `batch`, `answer` gets one image at a time. Raises `InputError` for estimates that are not finite.
        """
        model = _Answering(about_run(self.run, list(self.tasks)), answer, batch)
        with plain_errors(), Bar(len(self.split), "scoring", line=f"scoring {doing} on {self}") as bar:
            scored = score_estimates(model, self.tasks, self.data, self.split, self.name, self.run.recipe, bar)
        return scored.scores


@dataclass
class _Answering:
    """A file as a model."""

    about: About
    answer: Answer
    batch: bool

    def estimate(self, images: NDArray[np.float32]) -> Estimates:
        parts = [self.answer(part) for part in torch.split(torch.from_numpy(images), len(images) if self.batch else 1)]
        return {name: torch.cat([part[name] for part in parts]).numpy(force=True) for name in self.about.tasks}
