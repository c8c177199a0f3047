"""Depth: the distance along the camera's axis to the surface at each pixel, in metres."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MetricCollection

from afanet.errors import InputError, shown, unknown
from afanet.networks.outputs import Dense
from afanet.tasks.across import ALONE, Across
from afanet.tasks.depth.losses import DEPTH_LOSSES
from afanet.tasks.depth.metrics import ERRORS, WITHIN, DepthScores, measured
from afanet.tasks.described import Described
from afanet.tasks.loss_options import require_options
from afanet.tasks.scores import TaskScores
from afanet.tasks.task import ColourBar, DenseTask, ErrorBins, Readout

NEAREST = 1e-3


class Depth(DenseTask):
    """Metric depth, learnt by the mean absolute error over measured pixels by default; 0 means not measured.

    Target float32 (B, 1, H, W), metres; logits (B, 1, H, W); prediction softplus(logits) + 1 mm, so that it is
    always positive and ratios and logarithms exist. `max_metres` is the far end of the pictures' colours; it does
    not limit predictions.

    >>> task = Depth()
    >>> logits = torch.tensor([[[[0.0, 0.0]]]])
    >>> round(task.predict(logits)[0, 0, 0, 0].item(), 3)  # ln 2 + 0.001
    0.694
    >>> round(task.loss(logits, torch.tensor([[[[1.0, 0.0]]]])).item(), 3)
    0.306
    """

    kind = "depth"
    main_metric = "abs"
    error_unit = "m"
    unusable = "not finite, or not above 0,"
    loss_name = "l1"
    silog_weight = 0.5

    def __init__(self, max_metres: float = 10.0, name: str = "depth") -> None:
        self.name = name
        self.max_metres = max_metres
        self.shown = (0.0, max_metres)  # the range of the pictures' colours
        self.error_limit = max_metres / 5
        self.output = Dense(1)
        self.higher_is_better = dict.fromkeys(ERRORS, False) | dict.fromkeys(WITHIN, True)

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """The chosen loss of `DEPTH_LOSSES` over the measured pixels; by default the mean absolute error, in metres."""
        options = {"weight": self.silog_weight} if self.loss_name == "silog" else {}
        return DEPTH_LOSSES[self.loss_name](self.predict(logits), target, measured(target), across, **options)

    def with_loss(self, options: Mapping[str, Any]) -> Self:
        """This task with the loss `name`: `l1`, `berhu`, or `silog`, whose `lambda` is 0.5 if not given.

        Raises `InputError` for another option or loss, and for a `lambda` without `silog` or outside 0 to 1.

        >>> task = Depth().with_loss({"name": "silog", "lambda": 0.75})
        >>> round(task.loss(torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 2.0)).item(), 3)  # ln(2 / 0.694) / 2
        0.529
        """
        require_options(self.name, options, ["name", "lambda"])
        name, weight = str(options.get("name", self.loss_name)), options.get("lambda", self.silog_weight)
        if name not in DEPTH_LOSSES:
            raise unknown(f"loss of task '{self.name}'", name, DEPTH_LOSSES)
        if "lambda" in options and name != "silog":
            raise InputError(f"lambda of task '{self.name}' is an option of the loss silog, not of {name}: take it out")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise InputError(f"lambda of task '{self.name}' is {shown(weight)}, expected a number from 0 to 1")
        changed = copy.copy(self)
        changed.loss_name, changed.silog_weight = name, float(weight)
        return changed

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """Nothing measured anywhere: zeros, float32 (1, H, W)."""
        return torch.zeros(1, *size)

    def labelled(self, target: Tensor) -> Tensor:
        """Pixels with a measurement."""
        return measured(target)

    def predict(self, logits: Tensor) -> Tensor:
        """Depth in metres, float32 (B, 1, H, W), at least a millimetre."""
        return F.softplus(logits.float()) + NEAREST

    def no_number(self, prediction: Tensor) -> Tensor:
        """See `Task`; depths not above 0 count too, since they have no logarithm and no ratio to the truth."""
        return ~(prediction.isfinite() & (prediction > 0))

    def estimate(self, logits: Tensor) -> Tensor:
        """Depth in metres: the prediction itself."""
        return self.predict(logits)

    @property
    def meaning(self) -> dict[str, Any]:
        """`depth` in the `unit` m, with `colours` from 0 to `far` metres."""
        bar = self.legend
        return {"kind": self.kind, "unit": bar.unit, "far": self.max_metres, "colours": bar.colours.tolist()}

    def fault(self, target: Tensor) -> str | None:
        """A depth that is negative or not finite."""
        wrong = target[(target < 0) | ~target.isfinite()]
        return f"depth {wrong[0]}, expected metres, or 0 for none" if len(wrong) else None

    def doubt(self, statistics: Mapping[str, Any]) -> str | None:
        """Whether most depths lie beyond the far end, or within a thousandth of it, as in another unit."""
        median = statistics["percentiles"]["50"]
        if median > self.max_metres:
            return f"most values lie beyond its far end of {self.max_metres:g} m (median {median:.4g} m)"
        if median < self.max_metres / 1000:
            return (
                f"most values lie within a thousandth of its far end of {self.max_metres:g} m (median {median:.4g} m)"
            )
        return None

    @classmethod
    def from_described(cls, described: Described) -> Self:
        """See `Task`."""
        return cls(described.meaning["far"], described.name)

    def metrics(self) -> MetricCollection:
        """Ten metrics: see `DepthScores`."""
        return TaskScores(self, [DepthScores()])

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The absolute error in metres."""
        wrong = (prediction - target).abs().masked_fill(~measured(target), torch.nan)
        return wrong.reshape(wrong.shape[-2:])

    @property
    def bins(self) -> ErrorBins:
        """By the true distance, up to the far end of the colours."""
        return ErrorBins(self.max_metres, "mean absolute error, m, by true distance", "metres")

    def binned_errors(self, prediction: Tensor, target: Tensor) -> Tensor:
        """See `DenseTask`; absolute errors in metres. Distances beyond the last bin count in the last."""
        where, bins = measured(target), len(self.bins)
        truth = target[where].double()
        bin_of = (truth / self.max_metres * bins).long().clamp(max=bins - 1)
        errors = torch.bincount(bin_of, (prediction[where].double() - truth).abs(), minlength=bins)
        return torch.stack([errors, torch.bincount(bin_of, minlength=bins).double()])

    def change(self, before: Tensor, after: Tensor) -> str:
        """The mean distance by which depth moved."""
        moved = (self.predict(before)[0] - self.predict(after)[0]).abs().mean().item()
        return f"depth moved by {moved:.3f} m on average"

    def readout(self, value: Tensor) -> Readout:
        """Centimetres, up to 655 m."""
        return Readout((value.reshape(value.shape[-2:]) * 100).round().clamp(0, 65535), 100, "m")

    @property
    def legend(self) -> ColourBar:
        """Near is dark, far is bright, in metres."""
        return ColourBar(shades(np.linspace(0, 1, 256)), *self.shown, "m")

    def drawn_over(self, targets: Sequence[Tensor]) -> Self:
        """See `DenseTask`; from the 1st to the 99th percentile of the measured depths.

        >>> Depth().drawn_over([torch.linspace(1, 3, 201)[None, None]]).shown
        (1.0, 3.0)
        """
        known = torch.cat([target[measured(target)].float().cpu() for target in targets]).numpy()
        low, high = np.percentile(known, [1, 99]).round(1).tolist() if len(known) else self.shown
        changed = copy.copy(self)
        changed.shown = (low, high) if low < high else self.shown
        return changed

    def picture(self, value: Tensor) -> NDArray[np.uint8]:
        """Metres (1, H, W) or (H, W) in the colours of the legend; unmeasured pixels are black."""
        metres = value.cpu().reshape(value.shape[-2:])
        near, far = self.shown
        picture = shades((metres.numpy() - near) / (far - near))
        picture[~measured(metres).numpy()] = 0
        return picture


def shades(fractions: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A perceptually uniform colour for each value from 0 to 1, which stays readable in grey."""
    return colormaps["viridis"](np.clip(fractions, 0, 1), bytes=True)[..., :3].copy()
