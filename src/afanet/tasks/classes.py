"""Classes: how often each occurs in labels, and which is chosen where outputs are not finite."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from afanet.tasks.task import NO_CLASS


def decided(choice: Tensor, logits: Tensor) -> Tensor:
    """A choice (B, ...) made from logits (B, C, ...), replaced by -1, no class, where a logit is not finite.

    >>> logits = torch.tensor([[0.0, 1.0], [torch.nan, 1.0]])
    >>> decided(logits.argmax(1), logits).tolist()
    [1, -1]
    """
    return choice.masked_fill(~logits.isfinite().all(1), NO_CLASS)


def count_classes(target: Tensor, labelled: Tensor, classes: int) -> Tensor:
    """How often each class occurs in a target, int64 (classes,); unlike `bincount` it does not wait for the device.

    >>> count_classes(torch.tensor([0, 2, 255, 2]), torch.tensor([True, True, False, True]), 3).tolist()
    [1, 0, 2]
    """
    index = torch.where(labelled, target, classes).long().clamp(0, classes).flatten()
    counts = torch.zeros(classes + 1, dtype=torch.int64, device=target.device)
    return counts.index_add_(0, index, torch.ones_like(index))[:classes]


def too_few_classes(occurrences: Sequence[int]) -> str | None:
    """Why scores over labels with these `occurrences` say nothing, in words; None if two or more classes occur.

    >>> too_few_classes([7, 0])
    'only one of 2 classes occurs'
    """
    if len(occurrences) == 1:
        return "the only class there is occurs"
    return f"only one of {len(occurrences)} classes occurs" if sum(map(bool, occurrences)) == 1 else None
