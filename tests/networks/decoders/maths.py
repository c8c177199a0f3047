"""The papers' layers as functions of a state dict, written without the package's modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

State = Mapping[str, Tensor]


def conv(x: Tensor, state: State, name: str) -> Tensor:
    """A convolution that keeps the size, as a sum over the pixels of its kernel."""
    weight = state[f"{name}.weight"]
    kernel = weight.shape[-1]
    padded = F.pad(x, [kernel // 2] * 4)
    height, width = x.shape[-2:]
    y = sum(
        torch.einsum("oc,bchw->bohw", weight[:, :, i, j], padded[:, :, i : i + height, j : j + width])
        for i in range(kernel)
        for j in range(kernel)
    )
    bias = state.get(f"{name}.bias")
    return y if bias is None else y + bias[:, None, None]


def norm(x: Tensor, state: State, name: str) -> Tensor:
    """Batch norm by its running statistics."""
    weight, bias, mean, var = (state[f"{name}.{key}"] for key in ("weight", "bias", "running_mean", "running_var"))
    scale = weight / (var + 1e-5).sqrt()
    return (x - mean[:, None, None]) * scale[:, None, None] + bias[:, None, None]


def residual(x: Tensor, state: State, name: str, convs: int) -> Tensor:
    """A residual block of this many convolutions, with batch norm, and ReLU between them and at the end."""
    y = x
    for number in range(convs):
        y = norm(conv(y, state, f"{name}.body.{3 * number}"), state, f"{name}.body.{3 * number + 1}")
        y = y.clamp(min=0) if number < convs - 1 else y
    if f"{name}.skip.0.weight" in state:
        x = norm(conv(x, state, f"{name}.skip.0"), state, f"{name}.skip.1")
    return (x + y).clamp(min=0)


def gated(x: Tensor, state: State, name: str) -> Tensor:
    """Features under a gate."""
    return conv(x, state, f"{name}.features") / (1 + (-conv(x, state, f"{name}.gate")).exp())


def resized(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear resizing without aligned corners, as a product with two matrices."""
    rows, columns = (_weights(old, new).to(x) for old, new in zip(x.shape[-2:], size, strict=True))
    return torch.einsum("ih,bchw,jw->bcij", rows, x, columns)


def _weights(old: int, new: int) -> Tensor:
    at = ((torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5).clamp(0, old - 1)
    return (1 - (at[:, None] - torch.arange(old)).abs()).clamp(min=0)


def linear(x: Tensor, state: State, name: str) -> Tensor:
    """A linear layer over the last axis."""
    return torch.einsum("oc,...c->...o", state[f"{name}.weight"], x) + state[f"{name}.bias"]
