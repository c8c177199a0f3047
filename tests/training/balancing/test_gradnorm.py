"""GradNorm against the rule computed by hand in float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from afanet.training.balancing.balancer import Balancer
from afanet.training.balancing.gradnorm import GradNorm

POSITIVE = st.floats(0.125, 8, width=32)
BATCH = st.tuples(st.lists(POSITIVE, min_size=3, max_size=3), st.lists(POSITIVE, min_size=3, max_size=3))


def by_hand(batches: list[tuple[list[float], list[float]]], alpha: float, lr: float) -> list[list[float]]:
    """The weights before each batch and after the last, with Adam written out."""
    weights, m, v = [1.0] * 3, [0.0] * 3, [0.0] * 3
    told = [weights]
    for step, (norms, losses) in enumerate(batches, 1):
        rates = [loss / first for loss, first in zip(losses, batches[0][1], strict=True)]
        relative = [rate / (math.fsum(rates) / 3) for rate in rates]
        scaled = [w * n for w, n in zip(weights, norms, strict=True)]
        gaps = [g - math.fsum(scaled) / 3 * r**alpha for g, r in zip(scaled, relative, strict=True)]
        if any(abs(gap) < 1e-4 for gap in gaps):
            return told  # the sign of nothing is anything
        moved = []
        for i in range(3):
            slope = math.copysign(norms[i], gaps[i])
            m[i] = 0.9 * m[i] + 0.1 * slope
            v[i] = 0.999 * v[i] + 0.001 * slope**2
            size = (m[i] / (1 - 0.9**step)) / (math.sqrt(v[i] / (1 - 0.999**step)) + 1e-8)
            moved.append(max(weights[i] - lr * size, 1e-3))
        weights = [3 * w / math.fsum(moved) for w in moved]
        told.append(weights)
    return told


@given(st.lists(BATCH, min_size=1, max_size=6), st.floats(0, 2), st.floats(0.001, 0.1))
def test_weights_follow_the_rule(batches: list[tuple[list[float], list[float]]], alpha: float, lr: float) -> None:
    gradnorm, expected = GradNorm(3, alpha, lr), by_hand(batches, alpha, lr)
    for (norms, losses), weights in zip(batches, expected, strict=False):
        actual = gradnorm(torch.tensor(norms), torch.tensor(losses))
        torch.testing.assert_close(actual, torch.tensor(weights), rtol=1e-3, atol=1e-4)
        assert gradnorm.weights.sum().item() == pytest.approx(3, rel=1e-5)


def test_shared_and_own_gradients_are_those_of_the_weighted_losses() -> None:
    shared, own = nn.Parameter(torch.ones(3)), [nn.Parameter(torch.ones(2)) for _ in range(2)]
    balancer = Balancer("gradnorm", ["a", "b"], {"lr": 0.1})
    for _ in range(3):
        losses = [shared.square().sum() * own[0].sum(), shared.sum() * own[1].square().sum()]
        balancer.backward(losses, [shared], [[parameter] for parameter in own])
    weights = balancer.weights()
    assert weights is not None
    assert weights[0] != weights[1]
    losses = [shared.square().sum() * own[0].sum(), shared.sum() * own[1].square().sum()]
    expected = torch.autograd.grad(weights[0] * losses[0] + weights[1] * losses[1], [shared, *own])
    for parameter, gradient in zip([shared, *own], expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_a_task_without_gradient_or_a_bad_batch_moves_no_weight_of_its_own() -> None:
    gradnorm = GradNorm(3)
    for _ in range(2):
        gradnorm(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 2.0, 3.0]))
    before = gradnorm.weights.detach().clone()
    gradnorm(torch.tensor([1.0, math.nan, 4.0]), torch.tensor([1.0, 2.0, 3.0]))
    gradnorm(torch.tensor([1.0, 1.0, 4.0]), torch.tensor([1.0, math.inf, 3.0]))
    gradnorm(torch.zeros(3), torch.zeros(3))
    assert torch.equal(gradnorm.weights, before)
    gradnorm(torch.tensor([1.0, 0.0, 4.0]), torch.tensor([1.0, 0.0, 3.0]))
    assert gradnorm.weights.isfinite().all()
    assert gradnorm.weights[0] / before[0] > gradnorm.weights[1] / before[1] > gradnorm.weights[2] / before[2]
