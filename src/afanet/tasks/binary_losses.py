"""Losses of labels, each on or off by itself: binary cross-entropy and focal, over the labels of all processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from afanet.tasks.across import Across
from afanet.tasks.class_losses import ClassTask
from afanet.tasks.class_weights import balanced_weights, weights_on
from afanet.tasks.loss_options import ClassLoss
from afanet.tasks.taught import TaughtLabels


class LabelsTask(TaughtLabels, ClassTask):
    """A task that learns labels, each of which is on or off by itself; its `occurrences` are first on, then off."""

    @property
    def balanced(self) -> dict[str, float]:
        """The weight of each label that is on, and then that of each that is off."""
        states = [f"{name} {state}" for state in ("on", "off") for name in self.names]
        return dict(zip(states, self.class_loss.weights or (), strict=True))

    def with_counts(self, counts: Sequence[int]) -> Self:
        """This task with weights that balance on and off in each label by itself, see `balanced_weights`."""
        half = len(counts) // 2
        pairs = [balanced_weights(pair) for pair in zip(counts[:half], counts[half:], strict=True)]
        return self.by_weights(tuple(on for on, _ in pairs) + tuple(off for _, off in pairs))


def binary_loss(logits: Tensor, target: Tensor, known: Tensor, how: ClassLoss, across: Across) -> Tensor:
    """The loss `how` of logits (B, L, ...) and a target of 1 (on) and 0 (off) in its `known` entries; without one 0.

    With p the probability of what an entry is, on or off, and w its weight, it is the sum of w (-ln p) over that of w,
    in nats. `label_smoothing` s makes targets of 1 - s / 2 and s / 2; `focal` has a factor (1 - p)^gamma on each term
    (Lin et al., ICCV 2017). The weights are those of L labels that are on, and then of L that are off, if not 1.

    >>> from afanet.tasks.across import ALONE
    >>> logits, on = torch.tensor([[2.0]]), torch.tensor([[1]])  # p = 0.881
    >>> [binary_loss(logits, on, on == 1, ClassLoss(name), ALONE) for name in ("cross_entropy", "focal")]
    [tensor(0.1269), tensor(0.0018)]
    """
    logits, truth = logits.float(), (target == 1).float()
    smoothed = truth * (1 - how.label_smoothing) + how.label_smoothing / 2 if how.label_smoothing else truth
    terms = F.binary_cross_entropy_with_logits(logits, smoothed, reduction="none")
    if how.name == "focal":  # by ln(1 - p), whose slope has a bound
        terms = terms * (-how.gamma * F.binary_cross_entropy_with_logits(logits, 1 - truth, reduction="none")).exp()
    # Not a weight of 0: where logits are so large that the loss is infinite, 0 times that is NaN.
    if how.weights is None:
        return across.mean(torch.where(known, terms, 0).sum(), known.sum())
    labels = logits.shape[1]
    weights = (*how.weights, *[1.0] * labels)[: 2 * labels]
    on, off = weights_on(weights, logits.device).view(2, -1, *[1] * (logits.ndim - 2))
    w = torch.where(target == 1, on, off)
    return across.mean(torch.where(known, w * terms, 0).sum(), torch.where(known, w, 0).sum())
