"""What tasks learn from a batch: its labels, and the estimates of teachers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from afanet.data import Batch
from afanet.networks.outputs import predictions
from afanet.tasks import Task
from afanet.tasks.across import Across
from afanet.training.distilling.attention import head_inputs
from afanet.training.distilling.teachers import Teachers


class Objective:
    """The losses of the tasks that learn, in their order.

    Args:
        tasks: the tasks by name.
        across: sums over the processes that train together.
        teachers: the teachers of some of the tasks, on the device of the batches.
    """

    def __init__(self, tasks: Mapping[str, Task], across: Across, teachers: Teachers | None = None) -> None:
        self.tasks, self.across, self.teachers = tasks, across, teachers
        self.taught = [] if teachers is None else teachers.taught

    @property
    def digests(self) -> dict[str, str]:
        """A hash of the weights of the teacher of each task that has one."""
        return {} if self.teachers is None else self.teachers.digests

    def ask(self, batch: Batch) -> None:
        """Let the teachers answer for a batch, unless they have done so."""
        if self.teachers is not None:
            self.teachers.answer(batch)

    def watch(self, network: nn.Module) -> AbstractContextManager[dict[str, Tensor]]:
        """A context that collects, if the loss needs them, the features that the heads of taught tasks take."""
        if self.teachers is None or self.teachers.recipe.distill_features is None:
            return nullcontext({})
        return head_inputs(network, self.taught)

    def losses(self, logits: Mapping[str, Tensor], batch: Batch, features: Mapping[str, Tensor]) -> list[Tensor]:
        """The weighted loss of each task on a batch, over the labels and teachers' answers of all processes.

        Each is the sum over the task's output and its initial predictions, if the network makes any.
        """
        losses = []
        for name, task in self.tasks.items():
            final, *early = predictions(name, logits)
            loss = self._loss(name, final, batch, features.get(name))
            losses.append(task.loss_weight * sum((self._loss(name, x, batch, None) for x in early), loss))
        return losses

    def _loss(self, name: str, logits: Tensor, batch: Batch, features: Tensor | None) -> Tensor:
        if self.teachers is not None and name in self.taught:
            return self.teachers.loss(name, logits, batch, self.across, features)
        return self.tasks[name].loss(logits, batch["targets"][name], self.across)

    def has_labels(self, batch: Batch) -> Tensor:
        """Whether any process has something to learn from in a batch, for each task: 1 or 0, (N,)."""
        some = [
            batch["image"].new_ones((), dtype=torch.bool)
            if name in self.taught
            else task.labelled(batch["targets"][name]).any()
            for name, task in self.tasks.items()
        ]
        return self.across.max(torch.stack(some).float())
