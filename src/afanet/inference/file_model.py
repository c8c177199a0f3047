"""A network in a file that `afanet export` wrote, for any runtime."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.inference.description import not_ours, read_description
from afanet.inference.model import About, Estimates
from afanet.tasks.kinds import KINDS, meaning_fault


class FileModel(ABC):
    """The network of a file, with the description in that file.

    A subclass for each runtime opens the file, passes on its description, and implements `run`. `tasks` are the tasks
    whose outputs are read; None means all. Raises `InputError` for a description that `afanet export` did not write,
    and for tasks that the file does not have.
    """

    def __init__(self, path: Path, text: str | None, outputs: Collection[str], tasks: Sequence[str] | None) -> None:
        self.description = description = read_description(path, text)
        self.path = path
        self.about = About(
            description["tasks"],
            tuple(description["size"]),
            tuple(description["mean"]),
            tuple(description["std"]),
            description.get("resize", "stretch"),  # files of older versions do not have it
        )
        self.any_batch, self.any_size = description["dynamic"]["batch"], description["dynamic"]["size"]
        if missing := [name for name in self.about.tasks if name not in outputs]:
            raise InputError(f"{path} has no output '{missing[0]}', which its description names: export the run again")
        for name, meaning in self.about.tasks.items():
            if fault := meaning_fault(meaning, referred=True):
                raise not_ours(path, f"of task '{name}' {fault}")
        if tasks is not None:
            self.about = self.about.only(tasks)

    @abstractmethod
    def run(self, names: Sequence[str], images: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
        """The outputs with these names, each (B, ...), for normalised images (B, C, H, W)."""

    def require_channels(self, taken: object) -> None:
        """Raise `InputError` if the graph takes images with another number of channels than the description says."""
        described = self.about.normalisation.channels
        if isinstance(taken, int) and taken != described:
            raise not_ours(self.path, f"'mean' has {described} channels, but its images have {taken}")

    def estimate(self, images: NDArray[np.float32]) -> Estimates:
        """See `Model`; raises `InputError` for images of another size if the file's size is fixed."""
        height, width = self.about.size
        if not self.any_size and images.shape[-2:] != (height, width):
            raise InputError(f"{self.path} takes only images of {height}x{width} pixels: leave --scales out")
        parts = [images] if self.any_batch else np.split(images, len(images))
        names = list(self.about.tasks)
        try:
            answers = [self.run(names, part) for part in parts]
        except Exception as error:  # the runtimes' exception classes have no other common base
            reason, size = str(error).strip().partition("\n")[0], f"{images.shape[-2]}x{images.shape[-1]}"
            raise InputError(
                f"{self.path} cannot take {len(images)} images of {size} pixels ({reason}): "
                f"leave --scales out, for {height}x{width}, or give a smaller --batch-size"
            ) from error
        estimates = {name: np.concatenate(parts) for name, parts in zip(names, zip(*answers, strict=True), strict=True)}
        for name, meaning in self.about.tasks.items():
            expected, shape = KINDS[meaning["kind"]].result_class.estimate_shape(meaning), estimates[name].shape
            if expected is not None and not _fits(shape, (len(images), *expected)):
                raise not_ours(self.path, f"output '{name}' is {shape}, expected {(len(images), *expected)}")
        return estimates


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        length is None or size == length for size, length in zip(shape, expected, strict=True)
    )
