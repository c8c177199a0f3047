"""Shared by CAM and SAM: from hidden units to gates, and from gates to the weights of every source."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet.fusion.base import in_full_precision


def gate_matrices(tasks: int, gates: int, hidden: int, per_task: bool) -> nn.Parameter:
    """Matrices (2, gates, hidden) or, per task, (to, from, gates, hidden), initialised like linear layers."""
    matrices = torch.empty(tasks, tasks, gates, hidden) if per_task else torch.empty(2, gates, hidden)
    return nn.Parameter(matrices.uniform_(-(hidden**-0.5), hidden**-0.5))


def excess_of(g: Tensor, pair: Tensor, tasks: int) -> Tensor:
    """a = w_self - w_other / (N - 1), (B, gates), from hidden units g (B, r) and the two matrices (self, other)."""
    # softmax over two is a sigmoid of the difference, and the difference of two linear maps is one linear map
    with in_full_precision(g):
        w_self = torch.sigmoid(F.linear(g, pair[0] - pair[1]))
    return (tasks * w_self - 1) / (tasks - 1)


def softmax_over_sources(g: Tensor, matrices: Tensor) -> Tensor:
    """Gates (B, to, from, gates) from hidden units g (B, r) and a matrix for every pair of tasks."""
    with in_full_precision(g):
        return torch.softmax(torch.einsum("br,tsgr->btsg", g, matrices), 2)


def weights_of(a: Tensor, tasks: int) -> Tensor:
    """Weights (B, to, from, ...) from the excess a (B, ...): (1 - a) / N for each source, plus a for the task's own."""
    own = torch.eye(tasks, device=a.device, dtype=a.dtype).reshape(1, tasks, tasks, *[1] * (a.dim() - 1))
    a = a[:, None, None]
    return (1 - a) / tasks + a * own
