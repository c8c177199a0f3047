"""Dense regression: one number for each pixel, such as a height, a disparity or an albedo."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import MetricCollection

from afanet.networks.outputs import Dense
from afanet.tasks.across import ALONE, Across
from afanet.tasks.dense_regression.target import Zoom
from afanet.tasks.depth.task import shades
from afanet.tasks.described import Described
from afanet.tasks.ranges import require_range, smooth_l1
from afanet.tasks.regression.metrics import RegressionScores
from afanet.tasks.scores import TaskScores
from afanet.tasks.task import ColourBar, DenseTask, Readout

MOST_STEPS = 65_535  # the largest value that a page reads out


class DenseRegression(DenseTask):
    """A number for each pixel, learnt by the smooth L1 loss; pixels of NaN in the target are ignored.

    `low` to `high` is the usual range in `unit`; with centre c and half-width h, the prediction is c + h logit, not
    clipped, and the loss is Huber's loss of (prediction - target) / h. `zoom` says how values change in a view that
    shows everything s times as large: they stay the `same`, are divided by s (`inverse`, as distances) or multiplied by
    it (`proportional`, as disparities).

    Target float32 (B, 1, H, W); logits (B, 1, H, W); prediction float32 (B, 1, H, W). A range that is empty or not
    finite raises `InputError`.

    >>> task = DenseRegression("height", low=0, high=20, unit="m")
    >>> logits = torch.tensor([[[[0.5, -1.0]]]])
    >>> task.predict(logits).flatten().tolist()
    [15.0, 0.0]
    >>> task.loss(logits, torch.tensor([[[[10.0, torch.nan]]]])).item()  # 0.5^2 / 2
    0.125
    """

    kind = "dense_regression"
    main_metric = "mae"

    def __init__(self, name: str, low: float, high: float, unit: str = "", zoom: Zoom = "same") -> None:
        require_range(name, low, high)
        self.name = name
        self.unit = unit
        self.zoom: Zoom = zoom
        self.low, self.high = low, high
        self.centre, self.half = (low + high) / 2, (high - low) / 2
        self.error_limit = (high - low) / 5
        self.error_unit = unit
        self.output = Dense(1)
        self.higher_is_better = {"mae": False, "rmse": False, "r2": True}

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """Huber's loss in units of half the range, averaged over the labelled pixels of the batch."""
        return smooth_l1(logits, target, self.labelled(target), self.centre, self.half, across)

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """NaN everywhere, float32 (1, H, W)."""
        return torch.full((1, *size), torch.nan)

    def labelled(self, target: Tensor) -> Tensor:
        """Pixels with a finite number."""
        return target.isfinite()

    def fault(self, target: Tensor) -> str | None:
        """An infinite number; a number outside the usual range is no fault."""
        return "an infinite value, expected numbers, or NaN for none" if target.isinf().any() else None

    def doubt(self, statistics: Mapping[str, Any]) -> str | None:
        """Whether most numbers lie outside the usual range."""
        median = statistics["percentiles"]["50"]
        if self.low <= median <= self.high:
            return None
        return f"most values lie outside its range of {self.low:g} to {self.high:g} {self.unit}".rstrip() + (
            f" (median {median:.4g}): is it in another unit?"
        )

    def predict(self, logits: Tensor) -> Tensor:
        """The number in the target's unit, float32 (B, 1, H, W)."""
        return self.centre + self.half * logits.float()

    def estimate(self, logits: Tensor) -> Tensor:
        """The number in the target's unit: the prediction itself."""
        return self.predict(logits)

    @property
    def meaning(self) -> dict[str, Any]:
        """`dense_regression`, with its `unit`, its usual `range` in `colours`, and how values follow a `zoom`."""
        return {
            "kind": self.kind,
            "unit": self.unit,
            "range": [self.low, self.high],
            "zoom": self.zoom,
            "colours": self.legend.colours.tolist(),
        }

    @classmethod
    def from_described(cls, described: Described) -> Self:
        """See `Task`."""
        meaning = described.meaning
        low, high = meaning["range"]
        return cls(described.name, low, high, meaning["unit"], meaning["zoom"])

    def metrics(self) -> MetricCollection:
        """`mae` and `rmse` in the unit, and `r2`, over pixels: see `RegressionScores`."""
        return TaskScores(self, [RegressionScores(self.centre)])

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The absolute error in the unit."""
        wrong = (prediction - target).abs()
        return wrong.reshape(wrong.shape[-2:])

    def change(self, before: Tensor, after: Tensor) -> str:
        """The mean absolute change."""
        moved = (self.predict(before)[0] - self.predict(after)[0]).abs().mean().item()
        return f"moved by {moved:.3g} {self.unit}".rstrip() + " on average"

    def readout(self, value: Tensor) -> Readout | None:
        """The numbers to about a thousandth of the range; None if some are negative or too large, or without a unit."""
        steps = 10 ** max(0, math.ceil(3 - math.log10(self.high - self.low)))
        if self.low < 0 or not self.unit or self.high * steps > MOST_STEPS:
            return None
        counts = (value.reshape(value.shape[-2:]).nan_to_num(0) * steps).round().clamp(0, MOST_STEPS)
        return Readout(counts, steps, self.unit)

    @property
    def legend(self) -> ColourBar:
        """Low is dark, high is bright."""
        return ColourBar(shades(np.linspace(0, 1, 256)), self.low, self.high, self.unit)

    def picture(self, value: Tensor) -> NDArray[np.uint8]:
        """Numbers (1, H, W) or (H, W) in the colours of the legend; unlabelled pixels are black."""
        numbers = value.cpu().reshape(value.shape[-2:])
        picture = shades((numbers.nan_to_num(self.low).numpy() - self.low) / (self.high - self.low))
        picture[~numbers.isfinite().numpy()] = 0
        return picture
