"""The mix of shared gates: its formula, its gradients, and its layout in memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from afanet.fusion.mix import means_over_channels, means_over_pixels, mix, product

BROADCASTS = [(2, 4, 1, 1), (2, 1, 3, 5), (2, 4, 3, 5), ()]


@pytest.mark.parametrize("shape", BROADCASTS)
@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_the_mix_is_its_formula_in_value_and_gradient(
    tasks: int, shape: tuple[int, ...], features: Callable[..., list[Tensor]]
) -> None:
    xs = features(tasks, (2, 4, 3, 5))
    a = torch.rand(shape, dtype=torch.float64, requires_grad=True)
    mean = torch.stack(xs).mean(0)
    expected = [mean + a * (x - mean) for x in xs]
    mixed = mix(xs, a)
    assert_close(mixed, expected)
    deltas = features(tasks, (2, 4, 3, 5), seed=2)
    assert_close(torch.autograd.grad(mixed, [a, *xs], deltas), torch.autograd.grad(expected, [a, *xs], deltas))


def test_second_derivatives_are_right(features: Callable[..., list[Tensor]]) -> None:
    xs = features(3, (1, 2, 2, 2))
    a = torch.rand(1, 2, 1, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda a, *xs: tuple(mix(xs, a)), (a, *xs))


def test_the_mean_of_many_large_float16_features_does_not_overflow() -> None:
    xs = [torch.full((1, 1, 1, 1), 6e4, dtype=torch.float16) for _ in range(16)]
    assert all(y.item() == xs[0].item() for y in mix(xs, torch.tensor(0.3)))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_product_and_its_gradients_lie_as_the_features_do(
    layout: torch.memory_format, features: Callable[..., list[Tensor]]
) -> None:
    x = features(1, (2, 4, 3, 5))[0].detach().contiguous(memory_format=layout).requires_grad_()
    rows = torch.rand(2, 2, 4, dtype=torch.float64)
    means = product(rows, x.flatten(2), like=x)
    assert_close(means, torch.einsum("bnc,bcp->bnp", rows, x.flatten(2)))
    means.sum().backward()
    assert x.grad is not None
    assert x.grad.stride() == x.stride()
    outer = product(torch.rand(2, 4, 1), torch.rand(2, 1, 15), like=x)
    assert outer.view_as(x).stride() == x.stride()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_means_over_pixels_and_channels_are_means(
    layout: torch.memory_format, features: Callable[..., list[Tensor]]
) -> None:
    xs = [x.contiguous(memory_format=layout) for x in features(3, (2, 4, 3, 5))]
    assert_close(means_over_pixels(xs), [x.mean((2, 3)) for x in xs])
    weights = torch.rand(2, 2, 4, dtype=torch.float64)
    expected = [torch.einsum("bnc,bchw->bnhw", weights, x).flatten(2) for x in xs]
    assert_close(means_over_channels(xs, weights), expected)
