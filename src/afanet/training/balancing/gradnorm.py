"""GradNorm: loss weights that bring the gradients of tasks to one norm, larger for tasks that learn slowly."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Adam

LEAST = 1e-3  # a weight of 0 would stop a task's own layers


class GradNorm(nn.Module):
    r"""Loss weights that are learnt from the norms of the gradients (Chen et al., ICML 2018).

    With :math:`n_i` the norm of the gradient of loss :math:`L_i` with respect to the shared parameters and :math:`w_i`
    its weight, :math:`G_i = w_i n_i`, the relative inverse training rate is

    .. math:: r_i = \frac{L_i / L_i(0)}{\operatorname{mean}_j L_j / L_j(0)},

    and the weights take a step of Adam down :math:`\sum_i |G_i - \operatorname{mean}_j(G_j)\, r_i^\alpha|`, in which
    the subtracted term is held constant; then they are scaled to sum to N. A task without a gradient in a batch is left
    out of its means, and a batch with a norm or loss that is not finite changes nothing. Nothing here waits for the
    device.

    Args:
        count: N, the number of tasks.
        alpha: how much a task that learns slowly is favoured, at least 0.
        lr: Adam's learning rate, above 0.

    >>> gradnorm = GradNorm(2)
    >>> gradnorm(torch.tensor([4.0, 1.0]), torch.tensor([1.0, 1.0])).tolist()
    [1.0, 1.0]
    >>> gradnorm.weights.tolist()
    [0.97..., 1.02...]
    """

    def __init__(self, count: int, alpha: float = 1.5, lr: float = 0.025) -> None:
        super().__init__()
        if not (alpha >= 0 and lr > 0):
            raise ValueError(f"alpha={alpha} and lr={lr}, expected alpha of at least 0 and lr above 0")
        self.alpha = alpha
        self.weights = nn.Parameter(torch.ones(count))
        self.first = torch.zeros(count)
        self.optimizer = Adam([self.weights], lr=lr)

    @torch.no_grad()
    def forward(self, norms: Tensor, losses: Tensor) -> Tensor:
        """The weights (N,) for this batch, as they were before its norms (N,) and losses (N,) update them."""
        used = self.weights.detach().clone()
        self.first = torch.where((self.first == 0) & (losses > 0), losses, self.first)
        taking_part = (norms > 0) & (self.first > 0) & norms.isfinite().all() & losses.isfinite().all()
        count = taking_part.sum().clamp(min=1)

        rates = torch.where(taking_part, losses / self.first, 0)
        scaled = torch.where(taking_part, used * norms, 0)
        relative = rates / (rates.sum() / count).clamp(min=torch.finfo(rates.dtype).tiny)
        target = scaled.sum() / count * relative.pow(self.alpha)
        self.weights.grad = torch.where(taking_part, norms * (scaled - target).sign(), 0).to(used.dtype)
        self.optimizer.step()
        self.weights.grad = None

        moved = torch.where(taking_part, self.weights, used).clamp(min=LEAST)
        self.weights.copy_(torch.where(taking_part.any(), moved * len(moved) / moved.sum(), used))
        return used
