"""Losses of classes: cross-entropy, focal, Dice, and cross-entropy with Dice, over the labels of all processes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from afanet.tasks.across import Across
from afanet.tasks.class_weights import BALANCED, ClassWeights, CountedTask, balanced_weights, weights_on
from afanet.tasks.loss_options import ClassLoss, read_class_loss
from afanet.tasks.taught import TaughtClasses

LEAST = 1e-30  # the smallest probability that is raised to a power, which bounds the power's slope


class ClassTask(TaughtClasses, CountedTask):
    """A task that learns classes by one of `loss_names`."""

    loss_names: ClassVar[tuple[str, ...]] = ("cross_entropy", "focal")
    class_loss: ClassLoss = ClassLoss()

    @property
    def class_weights(self) -> ClassWeights | str | None:
        """The weight of each class, None where all are 1, or `balanced` until the classes are counted."""
        return self.class_loss.class_weights

    def with_loss(self, options: Mapping[str, Any]) -> Self:
        """This task with another loss: `name`, `class_weights`, `label_smoothing` and more, see `ClassLoss`."""
        changed = copy.copy(self)
        changed.class_loss = read_class_loss(self.name, self.names, options, self.loss_names)
        return changed

    @property
    def wants_counts(self) -> bool:
        """Whether `class_weights` are `balanced`."""
        return self.class_loss.class_weights == BALANCED

    @property
    def balanced(self) -> dict[str, float]:
        """The weight of each class."""
        return dict(zip(self.names, self.class_loss.weights or (), strict=True))

    def with_counts(self, counts: Sequence[int]) -> Self:
        """This task with the weights of `balanced_weights`."""
        return self.by_weights(balanced_weights(counts))

    def by_weights(self, weights: ClassWeights) -> Self:
        """This task with other weights of classes."""
        changed = copy.copy(self)
        changed.class_loss = replace(self.class_loss, class_weights=weights)
        return changed


def class_loss(logits: Tensor, target: Tensor, how: ClassLoss, ignore: int, across: Across) -> Tensor:
    """The loss `how` of logits (B, C, ...) towards classes (B, ...); `ignore` means no label; 0 without any label.

    With p_y the probability of a label's class y and w_y its weight, 1 if not given:

    - `cross_entropy`: the sum of w_y (-ln p_y) divided by the sum of w_y, in nats. `label_smoothing` s puts 1 - s of a
      label on its class and s / C on every class, each with the class's weight.
    - `focal`: the same, with each term multiplied by (1 - p_y)^gamma (Lin et al., ICCV 2017).
    - `dice`: 1 - 2 I_c / (P_c + N_c), averaged over the classes c that occur. Over all labels, I_c sums p_c over those
      of class c, P_c sums p_c over all, and N_c counts those of class c (Milletari et al., 3DV 2016, without the
      squares).
    - `ce_dice`: cross-entropy plus `dice` times Dice.

    >>> from afanet.tasks.across import ALONE
    >>> logits, target = torch.tensor([[2.0, 0.0]]), torch.tensor([0])  # p_y = 0.881
    >>> [class_loss(logits, target, ClassLoss(name), -1, ALONE) for name in ("cross_entropy", "focal", "dice")]
    [tensor(0.1269), tensor(0.0018), tensor(0.0634)]
    """
    logits, known = logits.float(), target != ignore
    if how.name == "dice":
        return _dice(across.sum(_dice_sums(logits, target, known)))
    total, count = _cross_entropy_sums(logits, target, known, how, ignore)
    if how.name != "ce_dice":
        return across.mean(total, count)
    sums = [torch.stack([total, count.to(total.dtype)]), _dice_sums(logits, target, known)]
    summed = across.sum(torch.cat(sums))
    mean: Tensor = summed[0] / torch.where(summed[1] > 0, summed[1], 1)
    return mean.add(_dice(summed[2:]), alpha=how.dice)


def _cross_entropy_sums(
    logits: Tensor, target: Tensor, known: Tensor, how: ClassLoss, ignore: int
) -> tuple[Tensor, Tensor]:
    """The sum of all terms, and the sum of the weights of their classes."""
    w = None if how.weights is None else weights_on(how.weights, logits.device)
    if how.name == "focal":
        of_each = -F.cross_entropy(logits, target, ignore_index=ignore, reduction="none")  # ln p_y
        other = (-of_each.expm1()).clamp(min=LEAST)  # 1 - p_y
        terms = -of_each * other**how.gamma
        if w is not None:
            terms = terms * w[target.where(known, 0)]
        total = torch.where(known, terms, 0).sum()
    else:
        total = F.cross_entropy(
            logits, target, weight=w, ignore_index=ignore, reduction="sum", label_smoothing=how.label_smoothing
        )
    count = known.sum() if w is None else torch.where(known, w[target.where(known, 0)], 0).sum()
    return total, count


def _dice_sums(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """I_c, P_c and N_c of all classes, float32 (3 C,)."""
    axes = [axis for axis in range(logits.ndim) if axis != 1]
    p = torch.where(known[:, None], logits.softmax(1), 0)
    classes = torch.arange(logits.shape[1], device=logits.device).view(1, -1, *[1] * (logits.ndim - 2))
    of_class = (target[:, None] == classes) & known[:, None]
    return torch.cat([torch.where(of_class, p, 0).sum(axes), p.sum(axes), of_class.sum(axes).to(p.dtype)])


def _dice(sums: Tensor) -> Tensor:
    inside, predicted, labelled = sums.view(3, -1)
    present = labelled > 0
    losses = 1 - 2 * inside / torch.where(present, predicted + labelled, 1)
    mean: Tensor = torch.where(present, losses, 0).sum() / present.sum().clamp(min=1)
    return mean
