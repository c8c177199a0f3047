"""The interface of a network for predictions, in any runtime, and the description that comes with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from afanet.framing import Resize
from afanet.inference.network_input import prepare
from afanet.names import chosen_tasks
from afanet.normalisation import Normalisation
from afanet.photo import Pixels

Estimates = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class About:
    """The meaning of each task's estimates (see `Task.meaning`), and how images must be prepared.

    `size` is (H, W), `mean` and `std` normalise each channel, and `resize` says how photos of other proportions fit the
    size, see `framing`.
    """

    tasks: dict[str, dict[str, Any]]
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: Resize = "stretch"

    def only(self, tasks: Sequence[str]) -> Self:
        """The same for only some tasks, in their order here; raises `InputError` for unknown tasks."""
        return replace(self, tasks={name: self.tasks[name] for name in chosen_tasks(tasks, list(self.tasks))})

    @property
    def normalisation(self) -> Normalisation:
        """The mean and the standard deviation of each channel."""
        return Normalisation(self.mean, self.std)

    def prepare(self, photo: Pixels, size: tuple[int, int]) -> NDArray[np.float32]:
        """An image (H, W, C) as the network takes it at `size`, (channels, *size); Pillow or torch resizes."""
        return prepare(photo, size, self.mean, self.std, self.resize)


class Model(Protocol):
    """A network that estimates tasks from images."""

    about: About

    def estimate(self, images: NDArray[np.float32]) -> Estimates:
        """`Task.estimate` by task, (B, ...) float32, for normalised images (B, C, H, W)."""
        ...


class SomeTasks:
    """A model restricted to some of its tasks; raises `InputError` for tasks that it does not have."""

    def __init__(self, model: Model, tasks: Sequence[str]) -> None:
        self.about = model.about.only(tasks)
        self.estimate = model.estimate
