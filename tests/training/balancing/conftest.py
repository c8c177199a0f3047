"""A problem of N tasks that every balancing method must be able to learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from afanet.training.balancing.balancer import Balancer


class Problem:
    """N regressions by a shared layer and a layer each, with a label for some of the tasks only where asked."""

    def __init__(self, count: int, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.trunk = nn.Linear(3, 4)
        self.heads = nn.ModuleList(nn.Linear(4, 1) for _ in range(count))
        for parameter in [*self.trunk.parameters(), *self.heads.parameters()]:
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator) / 2)
        self.x = torch.randn(16, 3, generator=generator)
        self.y = self.x @ torch.randn(3, count, generator=generator) + 1

    @property
    def shared(self) -> list[nn.Parameter]:
        return list(self.trunk.parameters())

    @property
    def own(self) -> list[list[nn.Parameter]]:
        return [list(head.parameters()) for head in self.heads]

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [*self.shared, *(parameter for parameters in self.own for parameter in parameters)]

    def losses(self, without: Sequence[int] = ()) -> list[Tensor]:
        hidden = self.trunk(self.x)
        errors = [(head(hidden)[:, 0] - self.y[:, i]).square().mean() for i, head in enumerate(self.heads)]
        return [error * 0 if i in without else error for i, error in enumerate(errors)]

    def jacobian(self) -> Tensor:
        """The gradients by the shared parameters, (N, 16)."""
        rows = [torch.autograd.grad(loss, self.shared, retain_graph=True) for loss in self.losses()]
        return torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])

    def gradient(self) -> Tensor:
        """What stands in `.grad` of the shared parameters, (16,)."""
        return torch.cat([p.grad.flatten() for p in self.shared if p.grad is not None])

    def fit(self, balancer: Balancer, steps: int, lr: float = 0.02, without: Sequence[int] = ()) -> None:
        optimizer = torch.optim.SGD([*self.parameters, *balancer.trainable()], lr=lr)
        for step in range(steps):
            optimizer.zero_grad()
            losses = self.losses(without)
            if balancer.kind == "loss":
                balancer.combine(torch.stack(losses)).backward()
            else:
                balancer.backward(losses, self.shared, self.own)
            optimizer.step()
            balancer.after_step(lambda: torch.stack(self.losses(without)))
            if step % 4 == 3:
                balancer.end_epoch()


@pytest.fixture
def problem() -> Callable[..., Problem]:
    return Problem
