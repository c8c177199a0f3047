"""Depth: the distance along the camera's axis to what each pixel shows, in metres."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric, MetricCollection

from afanet.errors import InputError, shown, unknown
from afanet.networks.outputs import Dense
from afanet.tasks.across import ALONE, Across
from afanet.tasks.depth.losses import DEPTH_LOSSES
from afanet.tasks.task import ColourBar, DenseTask

ERRORS = ("abs", "rel", "sq_rel", "log10", "rmse", "rmse_ln", "rmse_log10")
WITHIN = ("delta1", "delta2", "delta3")
NEAREST = 1e-3


def measured(target: Tensor) -> Tensor:
    """Where a depth map holds a measurement: 0, and whatever is no finite number, is none."""
    return (target > 0) & target.isfinite()


class DepthScores(Metric):
    """The usual ten figures of depth, each over all measured pixels of the set, summed in float64.

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
        terms += [(ratio < 1.25**power).double() for power in (1, 2, 3)]
        self.sums += torch.stack([term.sum() for term in terms])
        self.pixels += valid.sum()

    def compute(self) -> dict[str, Tensor]:
        """All ten; not a number where nothing was measured."""
        means = dict(zip(ERRORS + WITHIN, self.sums / self.pixels, strict=True))
        return {name: mean.sqrt() if name.startswith("rmse") else mean for name, mean in means.items()}


class Depth(DenseTask):
    """Metric depth, by the mean absolute error over measured pixels unless told otherwise; 0 is no measurement.

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

    main_metric = "abs"
    error_unit = "m"
    loss_name = "l1"
    silog_weight = 0.5

    def __init__(self, max_metres: float = 10.0, name: str = "depth") -> None:
        self.name = name
        self.max_metres = max_metres
        self.error_limit = max_metres / 5
        self.output = Dense(1)
        self.higher_is_better = dict.fromkeys(ERRORS, False) | dict.fromkeys(WITHIN, True)

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """The chosen one of `DEPTH_LOSSES` over the measured pixels; the mean absolute error if none is, in metres."""
        options = {"weight": self.silog_weight} if self.loss_name == "silog" else {}
        return DEPTH_LOSSES[self.loss_name](self.predict(logits), target, measured(target), across, **options)

    def with_loss(self, options: Mapping[str, Any]) -> Self:
        """This task by the loss `name`: `l1`, `berhu`, or `silog`, whose `lambda` is 0.5 if not given.

        Raises `InputError` for another option or loss, and for a `lambda` without `silog` or outside 0 to 1.

        >>> task = Depth().with_loss({"name": "silog", "lambda": 0.75})
        >>> round(task.loss(torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 2.0)).item(), 3)  # ln(2 / 0.694) / 2
        0.529
        """
        for key in options:
            if key not in ("name", "lambda"):
                raise unknown(f"option of the loss of task '{self.name}'", key, ["name", "lambda"])
        name, weight = str(options.get("name", self.loss_name)), options.get("lambda", self.silog_weight)
        if name not in DEPTH_LOSSES:
            raise unknown(f"loss of task '{self.name}'", name, DEPTH_LOSSES)
        if "lambda" in options and name != "silog":
            raise InputError(f"lambda of task '{self.name}' is of the loss silog alone, not of {name}: take it out")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise InputError(f"lambda of task '{self.name}' is {shown(weight)}, expected a number of 0 to 1")
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

    def estimate(self, logits: Tensor) -> Tensor:
        """Depth in metres: the prediction itself."""
        return self.predict(logits)

    @property
    def meaning(self) -> dict[str, Any]:
        """`depth` in the `unit` m, with `colours` from 0 to `far` metres."""
        bar = self.legend
        return {"kind": "depth", "unit": bar.unit, "far": bar.high, "colours": bar.colours.tolist()}

    def fault(self, target: Tensor) -> str | None:
        """A depth that is negative or no finite number."""
        wrong = target[(target < 0) | ~target.isfinite()]
        return f"depth {wrong[0]}, expected metres, or 0 for none" if len(wrong) else None

    def metrics(self) -> MetricCollection:
        """Ten figures: see `DepthScores`."""
        return MetricCollection([DepthScores()])

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The absolute error in metres."""
        wrong = (prediction - target).abs().masked_fill(~measured(target), torch.nan)
        return wrong.reshape(wrong.shape[-2:])

    @property
    def legend(self) -> ColourBar:
        """Near is dark, far is bright, in metres."""
        return ColourBar(shades(np.linspace(0, 1, 256)), 0.0, self.max_metres, "m")

    def picture(self, value: Tensor) -> NDArray[np.uint8]:
        """Metres (1, H, W) or (H, W) in the colours of the legend, what was not measured in black."""
        metres = value.cpu().reshape(value.shape[-2:])
        picture = shades(metres.numpy() / self.max_metres)
        picture[~measured(metres).numpy()] = 0
        return picture


def shades(fractions: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A perceptually uniform colour for each value of 0 to 1, which stays readable in grey."""
    return colormaps["viridis"](np.clip(fractions, 0, 1), bytes=True)[..., :3].copy()
