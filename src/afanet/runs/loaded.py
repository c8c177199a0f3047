"""A run's network on its device, in float32, as it was when it was scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from afanet.distributed.device import answering, find_device
from afanet.errors import InputError
from afanet.names import chosen_tasks
from afanet.networks.lora.adapt import merged
from afanet.networks.memory_format import channels_last
from afanet.progress import say
from afanet.runs.run import Run
from afanet.runs.setup import deterministic, load_network
from afanet.tasks import Described, Task


class LoadedNetwork:
    """The network of a run with the weights that were scored; it needs no data.

    A line on the standard error names each task without a score.

    Args:
        run: the run.
        tasks: all of its tasks.
        chosen: the tasks to compute, by default all; only what they need is computed.
    """

    def __init__(self, run: Run, tasks: Mapping[str, Described], chosen: Sequence[str] | None = None) -> None:
        self.run = run
        self.chosen = list(tasks) if chosen is None else chosen_tasks(chosen, list(tasks))
        for name, task in tasks.items():
            if name not in self.chosen:
                continue
            if run.score(name, task.main_metric) is None:
                reason = run.unscored.get(name, "its test split has no label of it, or its outputs were not finite")
                say(f"{run.path} has no {task.main_metric} of task '{name}': {reason}")
        self.device = find_device(run.recipe.device)
        network = load_network(run.recipe, tasks, run.folder.weights(run.recipe))
        self.network: nn.Module = channels_last(network).to(self.device).eval()

    def answer(self, images: Tensor, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """The logits that `logits` gives; raises `InputError` if any are not finite."""
        logits = self.logits(images, tasks)
        self.require_finite(logits)
        return logits

    def require_finite(self, logits: Mapping[str, Tensor]) -> None:
        """Raise an `InputError` that names the first task whose logits are not finite."""
        for name, values in logits.items():
            if not values.isfinite().all():
                raise InputError(
                    f"in run {self.run.path} task '{name}' has outputs that are not finite: train it again "
                    "with a lower optimizer.lr, or with optimizer.clip"
                )

    def merged(self) -> nn.Module:
        """A copy of the network in which adapters are merged into their layers, see `lora.adapt.merged`."""
        return merged(self.network)

    def logits(self, images: Tensor, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Logits by task for normalised images (B, C, H, W), finite or not; `tasks` replaces the chosen tasks."""
        with answering(self.device), deterministic():
            logits: dict[str, Tensor] = self.network(
                images.to(self.device).contiguous(memory_format=torch.channels_last),
                tasks=self.chosen if tasks is None else tasks,
            )
        return logits


class TaskPredictor(LoadedNetwork):
    """A loaded network that predicts in the terms of its tasks: classes, metres, directions."""

    def __init__(self, run: Run, tasks: Mapping[str, Task]) -> None:
        super().__init__(run, tasks)
        self.tasks = dict(tasks)

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """Predictions by task for normalised images (B, C, H, W), on the CPU."""
        logits = self.answer(images)
        return {name: task.predict(logits[name]).cpu() for name, task in self.tasks.items()}
