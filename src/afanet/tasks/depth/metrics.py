"""Metrics of depth, over a whole set."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

ERRORS = ("abs", "rel", "sq_rel", "log10", "rmse", "rmse_ln", "rmse_log10")


WITHIN = ("delta1", "delta2", "delta3")


def measured(target: Tensor) -> Tensor:
    """Where a depth map holds a measurement: a finite number above 0."""
    return (target > 0) & target.isfinite()


class DepthScores(Metric):
    """The usual ten metrics of depth, each over all measured pixels of the set, summed in float64.

    With prediction p and truth t in metres, E the mean over pixels and r = max(p / t, t / p):

    - `abs` E|p - t| and `rmse` sqrt E(p - t)^2, in metres
    - `rel` E|p - t| / t, `sq_rel` E(p - t)^2 / t (in metres)
    - `log10` E|log10 p - log10 t|, `rmse_ln` sqrt E(ln p - ln t)^2, `rmse_log10` the same with log10
    - `delta1`, `delta2`, `delta3`: the fraction of pixels with r < 1.25, 1.25^2, 1.25^3

    >>> scores = DepthScores()
    >>> scores.update(torch.tensor([[[[1.0, 4.0]]]]), torch.tensor([[[[2.0, 0.0]]]]))
    >>> {name: round(value.item(), 3) for name, value in scores.compute().items() if name in ("abs", "rel")}
    {'abs': 1.0, 'rel': 0.5}
    """

    full_state_update = False
    sums: Tensor
    pixels: Tensor

    def __init__(self) -> None:
        super().__init__()
        sums = torch.zeros(len(ERRORS) + len(WITHIN), dtype=torch.float64)
        self.add_state("sums", default=sums, dist_reduce_fx="sum")
        self.add_state("pixels", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count a batch: two maps of one shape, in metres, the prediction positive."""
        valid = measured(target)
        p, t = prediction[valid].double(), target[valid].double()
        error, ln = p - t, p.log() - t.log()
        log10 = ln / np.log(10)
        ratio = torch.maximum(p / t, t / p)
        terms = [error.abs(), error.abs() / t, error**2 / t, log10.abs(), error**2, ln**2, log10**2]
        terms += [torch.where(ratio.isfinite(), ratio < 1.25**power, torch.nan) for power in (1, 2, 3)]
        self.sums += torch.stack([term.sum() for term in terms])
        self.pixels += valid.sum()

    def compute(self) -> dict[str, Tensor]:
        """All ten; NaN where nothing was measured."""
        means = dict(zip(ERRORS + WITHIN, self.sums / self.pixels, strict=True))
        return {name: mean.sqrt() if name.startswith("rmse") else mean for name, mean in means.items()}
