"""All teachers of a run: their answers for a batch, and the loss of a task that learns from one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from afanet.data import Batch
from afanet.normalisation import Normalisation
from afanet.recipe.preprocessing import normalisation
from afanet.recipe.schema import Recipe
from afanet.tasks import DenseTask, Task
from afanet.tasks.across import Across
from afanet.training.distilling.attention import attention, attention_loss
from afanet.training.distilling.teacher import Teacher


class Teachers:
    """The teachers of a recipe's tasks.

    Args:
        recipe: says how much the teachers count.
        tasks: the student's tasks.
        teachers: see `read_teachers`.
    """

    def __init__(self, recipe: Recipe, tasks: Mapping[str, Task], teachers: Sequence[Teacher]) -> None:
        self.recipe, self.tasks, self.all = recipe, tasks, teachers
        self.taken: Normalisation = normalisation(recipe.network)
        self.padded = recipe.data.resize == "letterbox"
        self.taught = [name for name in tasks if any(name in teacher.tasks for teacher in self.all)]

    @property
    def digests(self) -> dict[str, str]:
        """A hash of the weights of each task's teacher."""
        return {name: teacher.digest for teacher in self.all for name in teacher.tasks}

    @property
    def titles(self) -> dict[str, str]:
        """The name of each task's teacher, without folders of this machine."""
        return {name: teacher.title for teacher in self.all for name in teacher.tasks}

    @property
    def lines(self) -> list[str]:
        """One line for each teacher that says what it teaches."""
        weight = self.recipe.distill_weight
        where = "where labels are missing" if weight is None else f"everywhere, with weight {weight:g}"
        return [f"{teacher.name} teaches {', '.join(teacher.tasks)} {where}" for teacher in self.all]

    def to(self, device: torch.device) -> Teachers:
        """Move the teachers' networks to a device."""
        for teacher in self.all:
            teacher.network.to(device)
        return self

    def answer(self, batch: Batch) -> None:
        """Add the teachers' answers to a batch, unless it has them: `estimates`, and the `attention` of features."""
        if "estimates" in batch:
            return
        images, size = batch["image"], self.recipe.data.size
        outside = padding(images) if self.padded else None
        answers = [teacher.answer(images, self.taken, size, outside) for teacher in self.all]
        batch["estimates"] = {name: x for answer in answers for name, x in answer.estimates.items()}
        batch["attention"] = {name: x for answer in answers for name, x in answer.attention.items()}

    def loss(self, name: str, logits: Tensor, batch: Batch, across: Across, features: Tensor | None = None) -> Tensor:
        """The loss of a taught task on a batch that has the teachers' answers.

        With the task's own loss L over the n labelled pixels (images, entries), and the loss D towards the teacher's
        estimate:

        - without `distill_weight`, D is over the m that are not labelled, and the loss is (n L + m D) / (n + m)
        - with it, D is over all, and the loss is L + `distill_weight` D

        The padding of a letterboxed image counts in neither. With `distill_features`, that many times the
        `attention_loss` of the `features` that the task's head takes is added.
        """
        loss = self._towards(name, logits, batch, across)
        if features is None or self.recipe.distill_features is None:
            return loss
        return loss + self.recipe.distill_features * attention_loss(
            attention(features), batch["attention"][name], across
        )

    def _towards(self, name: str, logits: Tensor, batch: Batch, across: Across) -> Tensor:
        task, weight, target = self.tasks[name], self.recipe.distill_weight, batch["targets"][name]
        labelled = task.labelled(target)
        where = torch.ones_like(labelled) if weight is not None else ~labelled
        if isinstance(task, DenseTask) and self.padded:
            inside = ~padding(batch["image"])
            where = where & inside.view(len(inside), *[1] * (where.ndim - 3), *inside.shape[1:])
        estimate = batch["estimates"][name]
        own = task.loss(logits, target, across)
        towards = task.taught(logits, estimate, where, across, self.recipe.distill_temperature)
        if weight is not None:
            return own + weight * towards
        n, m = across.sum(torch.stack([labelled.sum(), where.sum()]).float())
        mean: Tensor = (n * own + m * towards) / (n + m).clamp(min=1)
        return mean


def padding(images: Tensor) -> Tensor:
    """Where letterboxed images (B, C, H, W) have padding, bool (B, H, W): in rows and columns that are 0 throughout.

    >>> padding(torch.tensor([[[[0.0, 1.0, 2.0, 0.0]]]])).tolist()
    [[[True, False, False, True]]]
    """
    nothing = (images == 0).all(1)
    return nothing.all(2)[:, :, None] | nothing.all(1)[:, None, :]
