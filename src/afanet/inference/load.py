"""Loads a trained network from a run, a saved folder or the hub as a torch module that takes photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afanet.distributed.device import answering
from afanet.images import to_image
from afanet.inference.model import Estimates
from afanet.inference.predictor import Photo, Predictor
from afanet.inference.run_model import about_run, estimates
from afanet.inference.together import Results
from afanet.networks.memory_format import channels_last
from afanet.normalisation import as_channels
from afanet.runs.run import Run, load_run
from afanet.runs.setup import deterministic
from afanet.tasks import Task


def load(source: str | Path) -> Network:
    """The trained network of a run, of a folder that `afanet save` wrote, or of `hub:owner/name`.

    A name on the hub is downloaded once. Only tensors, numbers and text are read, never code.

    Args:
        source: the folder of a finished run, a saved folder, or `hub:owner/name`.

    Returns:
        The network on the CPU, in float32 and in eval mode.

    Raises:
        InputError: for any other source, for damaged files, and for a name that cannot be downloaded.

    >>> load("runs/nowhere")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: runs/nowhere is not a run folder: it has no recipe.yaml, expected a folder that ...
    """
    return Network(load_run(source))


class Network(nn.Module):
    """A trained network with its tasks; it takes normalised images, and photos of any size.

        network = afanet.load("hub:ada/rooms-afa")
        network.predict("photo.jpg")["depth"].metres    # (H, W) float32, at the photo's own size
        network(network.preprocess("photo.jpg"))        # logits by task: a torch.nn.Module like any other

    `afanet.Predictor(network, flip=True)` predicts with other options.

    Attributes:
        tasks: its tasks by name, which turn logits into predictions: `network.tasks["depth"].predict(logits["depth"])`.
        about: the meaning of each task's estimates, and how images must be prepared.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.tasks: dict[str, Task] = run.tasks
        self.about = about_run(run)
        self.network = channels_last(run.network())
        self.eval()

    def forward(self, images: Tensor, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Logits by task for normalised images (B, C, H, W), see `preprocess`; for all tasks, or only for `tasks`.

        Only the parts that these tasks need are computed. Raises `InputError` for a task that the network does not
        have.
        """
        images = images.contiguous(memory_format=torch.channels_last)
        logits: dict[str, Tensor] = self.network(images) if tasks is None else self.network(images, tasks)
        return logits

    def preprocess(self, photo: Photo) -> Tensor:
        """A photo as the network takes it, (1, C, H, W) float32, at the size at which it was scored, on the CPU.

        Args:
            photo: a path, a PIL image or an array (H, W, C) uint8, of any size.

        Raises:
            InputError: for a file that is not a photo, and for a number of channels that the network does not take.
        """
        channels = self.about.normalisation.channels
        pixels = as_channels(to_image(photo, channels), channels)
        return torch.from_numpy(self.about.prepare(pixels, self.about.size))[None]

    def predict(self, photo: Photo) -> Results:
        """Results by task for a photo, as from `Predictor` with the run; in eval mode, on the device of the weights.

        Raises `InputError` as `preprocess` does, and for outputs that are not finite.
        """
        training = self.training
        try:
            return Predictor(self.eval())(photo)
        finally:
            self.train(training)

    def estimate(self, images: NDArray[np.float32]) -> Estimates:
        """`Task.estimate` by task, (B, ...) float32, for normalised images (B, C, H, W)."""
        device = next(self.parameters()).device
        with answering(device), deterministic():
            logits = self(torch.from_numpy(images).to(device))
        return estimates(self.tasks, logits)

    def extra_repr(self) -> str:
        """The names of its tasks."""
        return f"tasks={list(self.tasks)}"
