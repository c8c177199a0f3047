"""Numbers with a usual range: how they are scaled for a network, and how they are learnt."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from afanet.errors import InputError
from afanet.tasks.across import Across


def require_range(task: str, low: float, high: float) -> None:
    """Raise `InputError` unless `low` is below `high`, and both are finite."""
    if not (math.isfinite(high - low) and low < high):
        raise InputError(f"task '{task}' has the range {low} to {high}, expected the first below the second")


def decimals_of(low: float, high: float) -> int:
    """The decimals that show about a thousandth of a range.

    >>> decimals_of(0, 100), decimals_of(0, 1)
    (1, 3)
    """
    return max(0, 3 - math.ceil(math.log10(high - low)))


def smooth_l1(
    logits: Tensor, target: Tensor, known: Tensor, centre: float | Tensor, half: float | Tensor, across: Across
) -> Tensor:
    """Huber's loss in units of half the range, averaged over `known` entries; the prediction is centre + half * logit.

    Logits, target and `known` have one shape.

    >>> from afanet.tasks.across import ALONE
    >>> target = torch.tensor([75.0, torch.nan])
    >>> smooth_l1(torch.tensor([0.0, 9.0]), target, target.isfinite(), 50, 50, ALONE)  # 0.5^2 / 2
    tensor(0.1250)
    """
    scaled = torch.where(known, (target.float() - centre) / half, 0)
    terms = F.smooth_l1_loss(logits.float(), scaled, reduction="none")
    return across.mean(torch.where(known, terms, 0).sum(), known.sum())
