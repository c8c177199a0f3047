"""The loss of saliency: cross-entropy in which the two sides of a batch weigh the same."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from afanet.tasks.across import Across


def balanced_cross_entropy(logits: Tensor, salient: Tensor, known: Tensor, across: Across) -> Tensor:
    """Cross-entropy of logits and a mask in its `known` pixels, each side weighted by the share of the other.

    Of N known pixels in the batch, over all processes, P are salient. With p the probability of being salient,

        loss = 1/N (sum over salient pixels of (N - P)/N (-ln p) + sum over the others of P/N (-ln(1 - p))),

    in nats: the weights of HED (Xie & Tu, ICCV 2015), as ASTMT, ATRC and InvPT train saliency. It is 0 if only one side
    occurs.

    >>> from afanet.tasks.across import ALONE
    >>> salient = torch.tensor([True, False, False, False])
    >>> balanced_cross_entropy(torch.zeros(4), salient, salient == salient, ALONE)  # 6/16 ln 2
    tensor(0.2599)
    """
    terms = F.binary_cross_entropy_with_logits(logits.float(), salient.float(), reduction="none")
    sides = [known & salient, known & ~salient]
    # Not a product with the mask: an infinite term times 0 is NaN.
    sums = torch.stack([torch.where(side, terms, 0).sum() for side in sides] + [side.sum().float() for side in sides])
    on, off, positive, negative = across.sum(sums)
    pixels = (positive + negative).clamp(min=1)
    loss: Tensor = (negative / pixels * on + positive / pixels * off) / pixels
    return loss
