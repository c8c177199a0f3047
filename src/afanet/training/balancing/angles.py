"""What weighting methods see of gradients: the angles between them and their norms, in float64."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CPU = torch.device("cpu")
IN_CACHE, ON_DEVICE = 2**16, 2**24  # numbers that are converted to float64 at a time


class Angles(NamedTuple):
    """The cosines (N, N) between the gradients of N tasks and their norms (N,), float64, on the CPU.

    Problems stated in unit gradients are as well conditioned for norms of any ratio as for equal norms.
    """

    cosines: Tensor
    norms: Tensor


def gramian(rows: Tensor) -> Tensor:
    """The Gramian (N, N) of the rows (N, P), float64, on the CPU: its entries are sums in float64.

    >>> gramian(torch.tensor([[1e-30, 0.0], [0.0, 1e30]])).diagonal().tolist()
    [1.0...e-60, 1.0...e+60]
    """
    home = CPU if rows.device.type == "mps" else rows.device  # MPS has no float64
    total = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=home)
    for block in torch.split(rows, max(1, (IN_CACHE if home == CPU else ON_DEVICE) // len(rows)), dim=1):
        wide = block.to(home).double()
        total += wide @ wide.T
    return total.to(CPU)


def angles(gramian: Tensor) -> Angles:
    """The angles and norms behind a Gramian (N, N) of gradients that are not zero.

    >>> angles(torch.tensor([[4.0, 3.0], [3.0, 9.0]])).cosines.tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    norms = gramian.diagonal().sqrt()
    cosines = (gramian / norms / norms[:, None]).clamp(-1, 1)
    cosines.fill_diagonal_(1)
    return Angles(cosines, norms)
