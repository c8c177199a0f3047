"""The balanced loss of saliency against weighted cross-entropy, and the closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from afanet.tasks import Saliency


def test_it_is_the_cross_entropy_of_two_classes_weighted_by_the_share_of_the_other() -> None:
    torch.manual_seed(0)
    pair = torch.randn(3, 2, 4, 5, dtype=torch.float64)
    target = torch.randint(-1, 2, (3, 1, 4, 5), dtype=torch.int8)
    known = target[:, 0] >= 0
    negative = (target == 0).sum() / known.sum()
    weight = torch.stack([1 - negative, negative]).double()
    summed = F.cross_entropy(pair, target[:, 0].long(), weight=weight, ignore_index=-1, reduction="sum")
    logits = (pair[:, 1:] - pair[:, :1]).requires_grad_()  # softmax of two is the sigmoid of their difference
    loss = Saliency().loss(logits, target)
    loss.backward()
    assert loss.item() == pytest.approx((summed / known.sum()).item(), rel=1e-6)
    assert logits.grad is not None
    assert torch.equal(logits.grad[:, 0] != 0, known)


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.9])
def test_both_sides_weigh_the_same(share: float) -> None:
    target = (torch.arange(1000) < 1000 * share).to(torch.int8).view(1, 1, 20, 50)
    loss = Saliency().loss(torch.zeros(1, 1, 20, 50), target)
    assert loss.item() == pytest.approx(2 * share * (1 - share) * math.log(2), rel=1e-5)


@pytest.mark.parametrize("value", [0, 1])
def test_an_image_of_one_side_alone_teaches_nothing(value: int) -> None:
    assert Saliency().loss(torch.randn(1, 1, 2, 2), torch.full((1, 1, 2, 2), value)).item() == 0
