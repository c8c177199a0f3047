"""The network of a finished run, in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from afanet.data.transforms import as_input
from afanet.errors import InputError
from afanet.inference.model import About, Estimates
from afanet.names import chosen_tasks
from afanet.photo import Pixels
from afanet.recipe.preprocessing import normalisation
from afanet.runs.loaded import LoadedNetwork
from afanet.runs.run import Run
from afanet.tasks import Task


class AboutRun(About):
    """`About` for a network in torch."""

    def prepare(self, photo: Pixels, size: tuple[int, int]) -> NDArray[np.float32]:
        """See `About`; the same steps as in scoring, equal bit for bit."""
        prepared: NDArray[np.float32] = as_input(photo, size, self.resize, self.normalisation).numpy()
        return prepared


class RunModel:
    """A run's network with the weights that were scored; it needs the data only if the run kept no descriptions.

    `device` is by default the recipe's. Only what `tasks` need is computed; None means all tasks.
    """

    def __init__(self, run: Run, device: str | None = None, tasks: Sequence[str] | None = None) -> None:
        if device:
            run = replace(run, recipe=run.recipe.model_copy(update={"device": device}))
        chosen = list(run.tasks) if tasks is None else chosen_tasks(tasks, list(run.tasks))
        self.tasks = {name: run.tasks[name] for name in chosen}
        self.loaded = LoadedNetwork(run, run.tasks, chosen)
        self.about = about_run(run, chosen)

    def estimate(self, images: NDArray[np.float32]) -> Estimates:
        """See `Model`; raises `InputError` for a size that the network cannot take.

        If an image's logits are not finite, its whole estimate is NaN; otherwise infinity would become probability 1.
        """
        try:
            logits = self.loaded.logits(torch.from_numpy(images))
        except (RuntimeError, AssertionError) as error:
            if images.shape[-2:] == self.about.size:
                raise
            height, width = self.about.size
            raise InputError(
                f"the network cannot take images of {images.shape[-2]}x{images.shape[-1]} pixels ({error}): leave "
                f"--scales out, for {height}x{width}"
            ) from error
        return estimates(self.tasks, logits)


def about_run(run: Run, chosen: Sequence[str] | None = None) -> About:
    """The meaning of each task of a run (or of the chosen ones), and how its network's images must be prepared."""
    names = list(run.tasks) if chosen is None else chosen
    meanings = {name: run.tasks[name].meaning | run.tasks[name].sides for name in names}
    data, taken = run.recipe.data, normalisation(run.recipe.network)
    return AboutRun(meanings, data.size, taken.mean, taken.std, data.resize)


def estimates(tasks: Mapping[str, Task], logits: Mapping[str, Tensor]) -> Estimates:
    """`Task.estimate` by task, (B, ...) float32, from a network's logits; NaN for images with non-finite logits."""
    return {name: _estimate(task, logits[name]) for name, task in tasks.items()}


def _estimate(task: Task, logits: Tensor) -> NDArray[np.float32]:
    estimates = task.estimate(logits)
    finite = logits.flatten(1).isfinite().all(1).view(-1, *[1] * (estimates.ndim - 1))
    estimate: NDArray[np.float32] = torch.where(finite, estimates, torch.nan).cpu().numpy()
    return estimate
