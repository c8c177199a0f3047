"""Metrics of several numbers for an image, over a whole set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric


class VectorScores(Metric):
    """Errors of all labelled numbers of the set, summed in float64; a truth of NaN is ignored.

    With the error e of a number, in units of its `scale`, and E the mean over numbers and samples:

    - `mae` E|e| and `rmse` sqrt E e^2
    - `distance`, for points only: the mean over points of sqrt(e_x^2 + e_y^2); a point counts if both are labelled

    NaN where nothing was labelled.

    >>> scores = VectorScores([1, 1], points=True)
    >>> scores.update(torch.tensor([[0.3, 0.4], [0.5, 0.9]]), torch.tensor([[0.0, 0.0], [0.5, torch.nan]]))
    >>> {name: round(value.item(), 3) for name, value in scores.compute().items()}
    {'mae': 0.233, 'rmse': 0.289, 'distance': 0.5}
    """

    full_state_update = False
    sums: Tensor
    counts: Tensor

    def __init__(self, scales: Sequence[float], points: bool) -> None:
        super().__init__()
        self.scales = tuple(scales)
        self.points = points
        self.add_state("sums", default=torch.zeros(3, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", default=torch.zeros(2, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count a batch: predictions and truths (B, N)."""
        scales = torch.tensor(self.scales, dtype=torch.float64, device=target.device)
        known = target.isfinite()
        error = torch.where(known, (prediction.double() - target.double()) / scales, 0)
        distance, complete = error[:, :0], known[:, :0]
        if self.points:
            complete = known.reshape(len(known), -1, 2).all(2)
            distance = torch.where(complete, error.reshape(len(error), -1, 2).norm(dim=2), 0)
        self.sums += torch.stack([error.abs().sum(), error.square().sum(), distance.sum()])
        self.counts += torch.stack([known.sum(), complete.sum()])

    def compute(self) -> dict[str, Tensor]:
        """`mae` and `rmse`, and `distance` of points."""
        mae, mse = self.sums[:2] / self.counts[0]
        scores = {"mae": mae, "rmse": mse.sqrt()}
        return scores | {"distance": self.sums[2] / self.counts[1]} if self.points else scores
