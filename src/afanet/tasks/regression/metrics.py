"""Metrics of regression, over a whole set."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class RegressionScores(Metric):
    """Errors of one number over all labelled samples of the set, summed in float64; a truth of NaN is ignored.

    With prediction p, truth t and E the mean over samples:

    - `mae` E|p - t| and `rmse` sqrt E(p - t)^2, in the number's own unit
    - `r2` 1 - E(p - t)^2 / E(t - E t)^2: 1 is perfect, 0 is as good as always predicting the mean

    NaN where nothing was labelled; `r2` also where all truths are the same. Squares are summed about `centre`, so that
    truths far from zero do not cancel.

    >>> scores = RegressionScores(centre=50)
    >>> scores.update(torch.tensor([30.0, 50.0, 8.0]), torch.tensor([20.0, 40.0, torch.nan]))
    >>> {name: round(value.item(), 3) for name, value in scores.compute().items()}
    {'mae': 10.0, 'rmse': 10.0, 'r2': 0.0}
    """

    full_state_update = False
    sums: Tensor
    samples: Tensor

    def __init__(self, centre: float) -> None:
        super().__init__()
        self.centre = centre
        self.add_state("sums", default=torch.zeros(4, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("samples", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count a batch: two vectors of one length, in the number's own unit."""
        known = target.isfinite()
        p, t = prediction[known].double(), target[known].double()
        error, offset = p - t, t - self.centre
        self.sums += torch.stack([error.abs().sum(), (error**2).sum(), offset.sum(), (offset**2).sum()])
        self.samples += known.sum()

    def compute(self) -> dict[str, Tensor]:
        """All three."""
        mae, mse, mean, square = self.sums / self.samples
        spread = square - mean**2
        # Rounding can leave a tiny spread of truths that are all the same.
        spread = torch.where(spread > 1e-12 * square, spread, torch.nan)
        return {"mae": mae, "rmse": mse.sqrt(), "r2": 1 - mse / spread}
