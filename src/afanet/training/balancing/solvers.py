"""Two convex problems in the cosines of N gradients, solved in float64 to about twelve digits."""

from __future__ import annotations

import torch
from torch import Tensor

RIDGE = 1e-13  # keeps the cosines of dependent gradients invertible
SLACK = 1e-12  # the tolerance of a slope, relative to its terms
CONVERGED = 1e-11  # relative size of the last step


def nonnegative(cosines: Tensor, target: Tensor) -> Tensor:
    r"""The vector (N,) that minimises :math:`\frac12 x^\top C x - t^\top x` over :math:`x \ge 0`.

    An active-set method: in each round the entry with the steepest slope is freed, and entries that would become
    negative are fixed at 0 again.

    Args:
        cosines: C (N, N), symmetric, positive semidefinite, with a diagonal of 1.
        target: t (N,).

    >>> nonnegative(torch.tensor([[1.0, 0.5], [0.5, 1.0]]).double(), torch.tensor([1.0, 0.2]).double()).tolist()
    [1.0, 0.0]
    """
    matrix = cosines + RIDGE * torch.eye(len(cosines), dtype=cosines.dtype)
    x = torch.zeros_like(target)
    free = torch.zeros(len(target), dtype=torch.bool)
    settled = free.clone()  # entries whose slope is only rounding error
    for _ in range(10 * len(target)):
        slope = target - cosines @ x
        steep = slope > SLACK * (target.abs() + cosines.abs() @ x)
        candidates = steep & ~free & ~settled
        if not candidates.any():
            break
        entered = int(torch.where(candidates, slope, -torch.inf).argmax())
        free[entered] = True
        while True:
            solved = torch.zeros_like(x)
            for _ in range(2):  # the second solve removes the error of the ridge
                rest = target - cosines @ solved
                solved[free] += torch.linalg.solve(matrix[free][:, free], rest[free])
            blocked = free & (solved <= 0)
            if not blocked.any():
                x = solved
                break
            ratios = torch.where(blocked, x / (x - solved).clamp(min=1e-300), torch.inf)
            x = x + float(ratios.min()) * (solved - x)
            free &= ratios > ratios.min()
            x[~free] = 0
        settled[entered] = not free[entered]
    return x


def fair(cosines: Tensor, scale: Tensor, power: float, rounds: int = 200) -> Tensor | None:
    r"""The positive vector (N,) with :math:`(C x)_i = s_i x_i^{-p}`; None if Newton's method finds none in `rounds`.

    It is the minimum of :math:`\frac12 x^\top C x - \sum_i s_i h(x_i)` with :math:`h'(x) = x^{-p}`, and does not exist
    if a positive combination of the gradients is zero.

    Args:
        cosines: C (N, N), symmetric, positive semidefinite, with a diagonal of 1.
        scale: s (N,), positive.
        power: p, positive.
        rounds: the maximal number of steps.

    >>> fair(torch.tensor([[1.0, -0.75], [-0.75, 1.0]]).double(), torch.ones(2).double(), 1.0).tolist()
    [2.0..., 2.0...]
    """

    def value(x: Tensor) -> float:
        utility = x.log() if power == 1 else x.pow(1 - power) / (1 - power)
        return float(x @ cosines @ x / 2 - scale @ utility)

    x: Tensor = scale.pow(1 / (1 + power))  # the solution for orthogonal gradients
    for _ in range(rounds):
        slope = cosines @ x - scale * x.pow(-power)
        curved = cosines + torch.diag(power * scale * x.pow(-power - 1))
        unit = curved.diagonal().rsqrt()
        solved, singular = torch.linalg.solve_ex(unit[:, None] * curved * unit, unit * slope)
        if singular:
            return None
        step = -unit * solved
        length = min(1.0, 0.9 / max(float((-step / x).max()), 0.1))
        before, fall = value(x), float(slope @ step)
        while value(x + length * step) > before + 1e-4 * length * fall + 1e-13 * abs(before) and length > 1e-9:
            length /= 2
        x = x + length * step
        if length == 1 and float((step / x).abs().max()) < CONVERGED:
            return x
    return None
