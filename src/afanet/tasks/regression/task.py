"""Scalar regression: one number for the whole image, such as an age, a count or a weight."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MetricCollection

from afanet.errors import InputError
from afanet.networks.outputs import Pooled
from afanet.tasks.across import ALONE, Across
from afanet.tasks.described import Described
from afanet.tasks.regression.metrics import RegressionScores
from afanet.tasks.scores import TaskScores
from afanet.tasks.task import PooledTask


class Regression(PooledTask):
    """One number for an image, learnt by the smooth L1 loss; a target of NaN means not labelled.

    `low` to `high` is the usual range in `unit`; with centre c and half-width h, the prediction is c + h logit, not
    clipped, and the loss is Huber's loss of (prediction - target) / h: quadratic up to an error of h, linear beyond. So
    tasks in any unit have losses of a similar size.

    Target float32 (B,); logits (B, 1); prediction float32 (B,). A range that is empty or not finite raises
    `InputError`.

    >>> task = Regression("age", low=0, high=100, unit="years")
    >>> logits = torch.tensor([[-0.372], [0.5]])
    >>> [task.caption(value) for value in task.predict(logits)]
    ['31.4 years', '75.0 years']
    >>> task.loss(logits, torch.tensor([torch.nan, 50.0])).item()  # 0.5^2 / 2
    0.125
    """

    kind = "regression"
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
        scaled = torch.where(known, (target.float() - self.centre) / self.half, 0)
        terms = F.smooth_l1_loss(logits.float()[:, 0], scaled, reduction="none")
        return across.mean(torch.where(known, terms, 0).sum(), known.sum())

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """NaN, a float32 scalar."""
        return torch.tensor(torch.nan)

    def labelled(self, target: Tensor) -> Tensor:
        """Images with a finite number."""
        return target.isfinite()

    def fault(self, target: Tensor) -> str | None:
        """An infinite number; a number outside the usual range is no fault."""
        return "an infinite value, expected a number, or nothing" if target.isinf().any() else None

    def doubt(self, statistics: Mapping[str, Any]) -> str | None:
        """Whether most numbers lie outside the usual range."""
        low, high, median = self.centre - self.half, self.centre + self.half, statistics["percentiles"]["50"]
        if low <= median <= high:
            return None
        return f"most values lie outside its range of {low:g} to {high:g} (median {median:.4g}): is it in another unit?"

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
        return {"kind": self.kind, "unit": self.unit, "range": [low, high], "decimals": self.decimals}

    @classmethod
    def from_described(cls, described: Described) -> Self:
        """See `Task`; raises `InputError` for a meaning without a range, which the first runs did not keep."""
        if "range" not in described.meaning:
            raise InputError(f"the meaning of task '{described.name}' has no 'range': the run is from another version")
        low, high = described.meaning["range"]
        return cls(described.name, low, high, described.meaning["unit"])

    def metrics(self) -> MetricCollection:
        """`mae` and `rmse` in the unit, and `r2`: see `RegressionScores`."""
        return TaskScores(self, [RegressionScores(self.centre)])

    def caption(self, value: Tensor) -> str:
        """The number with its unit, to a thousandth of the range; `?` where there is no label."""
        return f"{value.item():.{self.decimals}f} {self.unit}".strip() if value.isfinite() else "?"
