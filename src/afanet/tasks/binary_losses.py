"""Losses of labels that are on or off independently: binary cross-entropy and focal, over all processes."""

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
    """A task whose labels are on or off independently; `occurrences` counts first those on, then those off."""

    @property
    def balanced(self) -> dict[str, float]:
        """The weight of each label's two states, by `LABEL on` and `LABEL off`."""
        states = [f"{name} {state}" for state in ("on", "off") for name in self.names]
        return dict(zip(states, self.class_loss.weights or (), strict=True))

    def with_counts(self, counts: Sequence[int]) -> Self:
        """This task with weights that balance on and off within each label, see `balanced_weights`."""
        half = len(counts) // 2
        pairs = [balanced_weights(pair) for pair in zip(counts[:half], counts[half:], strict=True)]
        return self.by_weights(tuple(on for on, _ in pairs) + tuple(off for _, off in pairs))


def binary_loss(logits: Tensor, target: Tensor, known: Tensor, how: ClassLoss, across: Across) -> Tensor:
    """The loss `how` of logits (B, L, ...) towards 1 (on) and 0 (off), over `known` entries; 0 if there are none.

    Let p be the predicted probability of an entry's true state, and w the weight of that state. The loss is the sum of
    w (-ln p) divided by the sum of w, in nats. `label_smoothing` s makes the targets 1 - s / 2 and s / 2; `focal`
    multiplies each term by (1 - p)^gamma (Lin et al., ICCV 2017). The weights are those of L labels when on, then of L
    labels when off; weights not given are 1.

    >>> from afanet.tasks.across import ALONE
    >>> logits, on = torch.tensor([[2.0]]), torch.tensor([[1]])  # p = 0.881
    >>> [binary_loss(logits, on, on == 1, ClassLoss(name), ALONE) for name in ("cross_entropy", "focal")]
    [tensor(0.1269), tensor(0.0018)]
    """
    logits, truth = logits.float(), (target == 1).float()
    smoothed = truth * (1 - how.label_smoothing) + how.label_smoothing / 2 if how.label_smoothing else truth
    terms = F.binary_cross_entropy_with_logits(logits, smoothed, reduction="none")
    if how.name == "focal":  # through ln(1 - p), whose slope is bounded
        terms = terms * (-how.gamma * F.binary_cross_entropy_with_logits(logits, 1 - truth, reduction="none")).exp()
    # `where`, not a weight of 0: very large logits make a term infinite, and 0 times infinity is NaN.
    if how.weights is None:
        return across.mean(torch.where(known, terms, 0).sum(), known.sum())
    labels = logits.shape[1]
    weights = (*how.weights, *[1.0] * labels)[: 2 * labels]
    on, off = weights_on(weights, logits.device).view(2, -1, *[1] * (logits.ndim - 2))
    w = torch.where(target == 1, on, off)
    return across.mean(torch.where(known, w * terms, 0).sum(), torch.where(known, w, 0).sum())
