"""The gradients of several losses, from one backward pass for each task, and writing them to parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def jacobian(
    losses: Sequence[Tensor], shared: Sequence[nn.Parameter], own: Sequence[Sequence[nn.Parameter]]
) -> tuple[Tensor, Tensor]:
    """The gradients of N scalar losses: (N, P) for the P shared values, and flat for every task's own parameters.

    Both are float32 at least, and 0 where a loss does not reach; the order is that of `views`. The graph of
    the losses is freed.
    """
    device, dtype = losses[0].device, _precision([*shared, *(p for parameters in own for p in parameters)])
    rows = torch.zeros(len(losses), _size(shared), device=device, dtype=dtype)
    flat = torch.zeros(sum(map(_size, own)), device=device, dtype=dtype)
    of_task = parts(flat, own)
    for i, (loss, parameters) in enumerate(zip(losses, own, strict=True)):
        targets = [*views(rows[i], shared), *views(of_task[i], parameters)]
        if loss.requires_grad and targets:
            gradients = torch.autograd.grad(
                loss, [*shared, *parameters], retain_graph=i + 1 < len(losses), allow_unused=True
            )
            for target, gradient in zip(targets, gradients, strict=True):
                if gradient is not None:
                    target.copy_(gradient)
    return rows, flat


def parts(flat: Tensor, own: Sequence[Sequence[nn.Parameter]]) -> tuple[Tensor, ...]:
    """The part of a flat row that belongs to each task's parameters."""
    return torch.split(flat, [_size(parameters) for parameters in own])


def views(row: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """A row of numbers (P,) as one tensor for each parameter, with its shape and memory layout.

    >>> a, b = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1, 2))
    >>> [view.tolist() for view in views(torch.arange(4), [a, b])]
    [[0, 1], [[2, 3]]]
    """
    each = torch.split(row, [parameter.numel() for parameter in parameters])
    # Fused optimisers want gradients with the strides of their parameters, which may be channels-last.
    return [part.as_strided(p.shape, p.stride()) for part, p in zip(each, parameters, strict=True)]


def write(row: Tensor, parameters: Sequence[nn.Parameter]) -> None:
    """Make the parts of a row (P,) the gradients of the parameters."""
    for parameter, view in zip(parameters, views(row, parameters), strict=True):
        parameter.grad = view.to(parameter.dtype)


def _size(parameters: Sequence[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def _precision(parameters: Sequence[nn.Parameter]) -> torch.dtype:
    dtype = torch.float32
    for parameter in parameters:
        dtype = torch.promote_types(dtype, parameter.dtype)
    return dtype
