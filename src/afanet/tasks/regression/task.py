"""Scalar regression: one number for the whole image, such as an age, a count or a weight."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric, MetricCollection

from afanet.errors import InputError
from afanet.networks.outputs import Pooled
from afanet.tasks.across import ALONE, Across
from afanet.tasks.task import PooledTask


class RegressionScores(Metric):
    """Errors of one number over all labelled samples of the set, summed in float64; a truth of NaN counts nowhere.

    With prediction p, truth t and E the mean over samples:

    - `mae` E|p - t| and `rmse` sqrt E(p - t)^2, in the number's own unit
    - `r2` 1 - E(p - t)^2 / E(t - E t)^2: 1 is perfect, 0 as good as always saying the mean

    Not a number where nothing was labelled; `r2` neither where all truths are the same. Squares are summed about
    `centre`, so that truths far from zero do not cancel.

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
        error, place = p - t, t - self.centre
        self.sums += torch.stack([error.abs().sum(), (error**2).sum(), place.sum(), (place**2).sum()])
        self.samples += known.sum()

    def compute(self) -> dict[str, Tensor]:
        """All three."""
        mae, mse, mean, square = self.sums / self.samples
        spread = square - mean**2
        # What rounding leaves of truths that are all the same is no spread.
        spread = torch.where(spread > 1e-12 * square, spread, torch.nan)
        return {"mae": mae, "rmse": mse.sqrt(), "r2": 1 - mse / spread}


class Regression(PooledTask):
    """One number for an image, by the smooth L1 loss; a target of NaN means not labelled.

    `low` to `high` is the usual range in `unit`; with c its centre and h half its width the prediction is
    c + h logit, not clipped, and the loss is Huber's of (prediction - target) / h: quadratic up to an error of h,
    linear beyond, so that tasks of any unit have losses of one size.

    Target float32 (B,); logits (B, 1); prediction float32 (B,). A range that is empty or not finite raises
    `InputError`.

    >>> task = Regression("age", low=0, high=100, unit="years")
    >>> logits = torch.tensor([[-0.372], [0.5]])
    >>> [task.caption(value) for value in task.predict(logits)]
    ['31.4 years', '75.0 years']
    >>> task.loss(logits, torch.tensor([torch.nan, 50.0])).item()  # 0.5^2 / 2
    0.125
    """

    main_metric = "mae"

    def __init__(self, name: str, low: float, high: float, unit: str = "") -> None:
        if not (math.isfinite(high - low) and low < high):
            raise InputError(f"task '{name}' has the range {low} to {high}, expected the first below the second")
        self.name = name
        self.unit = unit
        self.centre, self.half = (low + high) / 2, (high - low) / 2
        self.decimals = max(0, 3 - math.ceil(math.log10(high - low)))  # about a thousandth of the range
        self.output = Pooled(1)
        self.higher_is_better = {"mae": False, "rmse": False, "r2": True}

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """Huber's loss in units of half the range, averaged over the labelled samples of the batch."""
        known = self.labelled(target)
        place = torch.where(known, (target.float() - self.centre) / self.half, 0)
        terms = F.smooth_l1_loss(logits.float()[:, 0], place, reduction="none")
        return across.mean(torch.where(known, terms, 0).sum(), known.sum())

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """NaN, float32, of no axes."""
        return torch.tensor(torch.nan)

    def labelled(self, target: Tensor) -> Tensor:
        """Images with a finite number."""
        return target.isfinite()

    def fault(self, target: Tensor) -> str | None:
        """An infinite number; one outside the usual range is none."""
        return "an infinite value, expected a number, or nothing" if target.isinf().any() else None

    def predict(self, logits: Tensor) -> Tensor:
        """The number in the target's unit, float32 (B,)."""
        return self.centre + self.half * logits.float()[:, 0]

    def estimate(self, logits: Tensor) -> Tensor:
        """The number in the target's unit: the prediction itself."""
        return self.predict(logits)

    @property
    def meaning(self) -> dict[str, Any]:
        """`regression`, with its `unit`, its usual `range` and the `decimals` worth showing."""
        low, high = self.centre - self.half, self.centre + self.half
        return {"kind": "regression", "unit": self.unit, "range": [low, high], "decimals": self.decimals}

    def metrics(self) -> MetricCollection:
        """`mae` and `rmse` in the unit, and `r2`: see `RegressionScores`."""
        return MetricCollection([RegressionScores(self.centre)])

    def caption(self, value: Tensor) -> str:
        """The number with its unit, to a thousandth of the range; `?` where there is no label."""
        return f"{value.item():.{self.decimals}f} {self.unit}".strip() if value.isfinite() else "?"
