"""Metrics of surface normals, over a whole set."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

WITHIN = {"within_11": 11.25, "within_22": 22.5, "within_30": 30.0}


BINS_PER_DEGREE = 100


def known(target: Tensor) -> Tensor:
    """Where a map of normals (..., 3, H, W) has a label, (..., 1, H, W): 0, 0, 0 and non-finite vectors are none."""
    length: Tensor = target.norm(dim=-3, keepdim=True)
    return (length > 0) & length.isfinite()


class NormalsScores(Metric):
    """The usual six metrics of surface normals, each over all labelled pixels of the set.

    Of the angle between prediction and truth, in degrees: `mean`, `median`, `rmse` (the root of the mean square), and
    the fractions `within_11`, `within_22`, `within_30` of angles below 11.25, 22.5 and 30. The median comes from a
    histogram with bins of 0.01 degrees, so it is off by half of one at most; mean and square are summed in float64. All
    scores are NaN after a prediction that is not finite, or has length 0 and so no direction.

    >>> scores = NormalsScores()
    >>> right, tilted = torch.tensor([1.0, 0, 0]), torch.tensor([1.0, 1, 0])
    >>> scores.update(torch.stack([right, tilted])[..., None, None], right.expand(2, 3)[..., None, None])
    >>> {name: round(value.item(), 2) for name, value in scores.compute().items() if name in ("mean", "within_30")}
    {'mean': 22.5, 'within_30': 0.5}
    """

    full_state_update = False
    sums: Tensor
    histogram: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("sums", default=torch.zeros(2, dtype=torch.float64), dist_reduce_fx="sum")
        bins = torch.zeros(180 * BINS_PER_DEGREE, dtype=torch.int64)
        self.add_state("histogram", default=bins, dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count a batch: two maps (B, 3, H, W), of vectors of any length but 0."""
        where = known(target)[:, 0]
        p, t = (x.movedim(1, -1)[where].double() for x in (prediction, target))
        # From both cosine and sine: an arc cosine near 1 would lose half of the digits.
        angle = torch.atan2(torch.linalg.cross(p, t).norm(dim=1), (p * t).sum(1)).rad2deg()
        angle = torch.where((p == 0).all(1), torch.nan, angle)  # no direction: the arc tangent of 0, 0 is 0
        self.sums += torch.stack([angle.sum(), (angle**2).sum()])
        last = len(self.histogram) - 1
        bins = (angle.nan_to_num(180.0) * BINS_PER_DEGREE).long().clamp(max=last)
        self.histogram += bins.bincount(minlength=last + 1)

    def compute(self) -> dict[str, Tensor]:
        """All six; NaN where nothing was labelled."""
        below = self.histogram.cumsum(0)
        pixels = below[-1]
        mean, square = self.sums / pixels
        middle = torch.stack([(pixels - 1) // 2, pixels // 2])  # the two in the middle, equal if the number is odd
        median = (torch.searchsorted(below, middle, right=True).double() + 0.5).mean() / BINS_PER_DEGREE
        shares = {name: below[round(most * BINS_PER_DEGREE) - 1] / pixels for name, most in WITHIN.items()}
        scores = {"mean": mean, "median": median, "rmse": square.sqrt()} | shares
        return {name: torch.where(mean.isfinite(), score, torch.nan) for name, score in scores.items()}
