"""Mixes of N tensors, in few passes over memory and in the features' own layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor


def mix(xs: Sequence[Tensor], a: Tensor) -> list[Tensor]:
    r"""Move every tensor towards or away from the mean of all: :math:`y_i = \bar x + a \, (x_i - \bar x)`.

    Args:
        xs: N tensors of one shape.
        a: how much of its difference from the mean a tensor keeps; broadcasts to the tensors.

    >>> [y.item() for y in mix([torch.tensor(1.0), torch.tensor(3.0)], torch.tensor(0.5))]
    [1.5, 2.5]
    """
    return list(cast(tuple[Tensor, ...], _Mix.apply(a.to(xs[0].dtype), *xs)))


def product(a: Tensor, b: Tensor, like: Tensor) -> Tensor:
    """The matrix product (B, n, k) x (B, k, m); the product and its gradients have the memory layout of `like`.

    Adding two tensors of different layouts takes many times as long as adding two of the same layout.
    """
    channels_last = like.stride(1) == 1
    return (b.mT @ a.mT).mT if channels_last else a @ b


def means_over_pixels(xs: Sequence[Tensor]) -> list[Tensor]:
    """The mean of every channel over its pixels, (B, C), for each of N tensors (B, C, H, W).

    >>> [means.tolist() for means in means_over_pixels([torch.tensor([[[[1.0, 3.0]], [[0.0, 0.0]]]])])]
    [[[2.0, 0.0]]]
    """
    x = xs[0]
    weights = torch.full_like(x[:, :1], 1 / (x.shape[2] * x.shape[3])).flatten(2)
    return [product(x.flatten(2), weights.mT, like=x).squeeze(2) for x in xs]


def means_over_channels(xs: Sequence[Tensor], weights: Tensor) -> list[Tensor]:
    """The weighted means of every pixel over its channels, (B, n, H W), for each of N tensors (B, C, H, W).

    Args:
        xs: N tensors of one shape.
        weights: (B, n, C), the weight of every channel in each of the n means.

    >>> x = torch.tensor([[[[1.0, 3.0]], [[5.0, 7.0]]]])
    >>> [means.tolist() for means in means_over_channels([x], torch.full((1, 1, 2), 0.5))]
    [[[[3.0, 5.0]]]]
    """
    return [product(weights, x.flatten(2), like=x) for x in xs]


def weighted_sums(xs: Sequence[Tensor], weights: Tensor) -> list[Tensor]:
    """Every output's sum of all N inputs, with weights (to, from, ...) that broadcast to the inputs."""
    return [_weighted_sum(xs, sources) for sources in weights.to(xs[0].dtype)]


def _weighted_sum(xs: Sequence[Tensor], weights: Tensor) -> Tensor:
    y = xs[0] * weights[0]
    for x, w in zip(xs[1:], weights[1:], strict=True):
        y = torch.addcmul(y, x, w)
    return y


class _Mix(torch.autograd.Function):
    """A mix is linear and its own adjoint: its backward pass is the same mix, applied to the gradients."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, *xs: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(a, *xs)
        return _mixed(xs, a)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        a, *xs = ctx.saved_tensors
        mean = _mean(xs)
        grad_a = grads[0] * (xs[0] - mean)
        for grad, x in zip(grads[1:], xs[1:], strict=True):
            grad_a = grad_a.addcmul_(grad, x - mean)
        return grad_a.sum_to_size(a.shape), *_mixed(grads, a)


def _mixed(xs: Sequence[Tensor], a: Tensor) -> tuple[Tensor, ...]:
    mean = _mean(xs)
    return tuple(torch.lerp(mean, x, a) for x in xs)


def _mean(xs: Sequence[Tensor]) -> Tensor:
    # a running mean: the mean of equal tensors is exact, and no sum can overflow float16
    mean = xs[0]
    for count, x in enumerate(xs[1:], 2):
        mean = torch.lerp(mean, x, 1 / count)
    return mean
