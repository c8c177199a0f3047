"""Random features, and the gradients of a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

Features = Callable[..., list[Tensor]]
Gradients = Callable[..., list[Tensor]]


@pytest.fixture(scope="session")
def features() -> Features:
    """N random tensors of one shape, of either sign, that want gradients."""

    def make(
        tasks: int = 2, shape: Sequence[int] = (2, 4, 5, 6), dtype: torch.dtype = torch.float64, seed: int = 0
    ) -> list[Tensor]:
        rng = torch.Generator().manual_seed(seed)
        return [
            torch.randn(*shape, generator=rng, dtype=torch.float64).to(dtype).requires_grad_() for _ in range(tasks)
        ]

    return make


@pytest.fixture(scope="session")
def gradients() -> Gradients:
    """The gradients of the inputs, then of the parameters, for random gradients at the outputs."""

    def backward(
        fuse: Callable[[Sequence[Tensor]], Sequence[Tensor]], layer: nn.Module, xs: Sequence[Tensor], seed: int = 1
    ) -> list[Tensor]:
        rng = torch.Generator().manual_seed(seed)
        ys = fuse(xs)
        deltas = [torch.randn(y.shape, generator=rng, dtype=torch.float64).to(y.dtype) for y in ys]
        return list(torch.autograd.grad(ys, [*xs, *layer.parameters()], deltas))

    return backward
