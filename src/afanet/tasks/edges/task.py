"""Edges: the probability that a pixel lies on a boundary, learnt by cross-entropy with a weight for edges."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MetricCollection

from afanet.errors import InputError, shown
from afanet.networks.outputs import Dense
from afanet.tasks.across import ALONE, Across
from afanet.tasks.classes import count_classes
from afanet.tasks.described import Described
from afanet.tasks.edges.metrics import BoundaryScores
from afanet.tasks.edges.result import MAX_DISTANCE, ramp
from afanet.tasks.edges.target import UNLABELLED
from afanet.tasks.loss_options import require_options
from afanet.tasks.meaning import is_number
from afanet.tasks.scores import TaskScores
from afanet.tasks.task import ColourBar, DenseTask, Readout
from afanet.tasks.taught import TaughtLabels

POSITIVE_WEIGHT = 0.95
STEPS = 100  # in which a page reads out a probability


class Edges(TaughtLabels, DenseTask):
    """Which pixels are edges; -1 in the target is not labelled.

    With y = 1 on an edge and 0 elsewhere, p the predicted probability and w the `positive_weight`, the loss is the mean
    over labelled pixels of

        -w y ln p - (1 - w) (1 - y) ln(1 - p).

    Edges are few, so w is near 1: it is 0.95 in common multi-task code (Maninis et al., CVPR 2019; Vandenhende et al.,
    ECCV 2020). `max_distance` is that of `BoundaryScores`.

    Target int8 (B, 1, H, W); logits (B, 1, H, W); prediction float32 (B, 1, H, W), the probability.

    >>> task = Edges()
    >>> logits = torch.tensor([[[[2.0, -3.0]]]])
    >>> round(task.loss(logits, torch.tensor([[[[1, -1]]]])).item(), 4)  # 0.95 ln(1 + exp(-2))
    0.1206
    """

    kind = "edges"
    main_metric = "odsf"
    names = ("no edge", "edge")
    error_limit = 1.0
    error_unit = "of probability"
    positive_weight: float = POSITIVE_WEIGHT

    def __init__(self, name: str = "edges", max_distance: float = MAX_DISTANCE) -> None:
        self.name = name
        self.max_distance = max_distance
        self.output = Dense(1)
        self.higher_is_better = dict.fromkeys(("odsf", "oisf", "ap"), True)

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """The weighted cross-entropy, averaged over the labelled pixels of the batch."""
        edge, known = target > 0.5, self.labelled(target)
        terms = F.binary_cross_entropy_with_logits(logits.float(), edge.float(), reduction="none")
        weighted = torch.where(edge, self.positive_weight, 1 - self.positive_weight) * terms
        return across.mean(torch.where(known, weighted, 0).sum(), known.sum())

    def with_loss(self, options: Mapping[str, Any]) -> Self:
        """This task with another `positive_weight`, above 0 and below 1."""
        require_options(self.name, options, ["positive_weight"])
        weight = options.get("positive_weight", POSITIVE_WEIGHT)
        if not is_number(weight) or not 0 < weight < 1:
            raise InputError(
                f"positive_weight of task '{self.name}' is {shown(weight)}, expected a number above 0 and below 1"
            )
        changed = copy.copy(self)
        changed.positive_weight = float(weight)
        return changed

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """-1 everywhere, int8 (1, H, W)."""
        return torch.full((1, *size), UNLABELLED, dtype=torch.int8)

    def labelled(self, target: Tensor) -> Tensor:
        """Pixels that are known to be an edge or not."""
        return target != UNLABELLED

    def predict(self, logits: Tensor) -> Tensor:
        """The probability of an edge, float32 (B, 1, H, W)."""
        return logits.float().sigmoid().where(logits.isfinite(), torch.nan)

    def estimate(self, logits: Tensor) -> Tensor:
        """The probability of an edge: the prediction itself."""
        return logits.float().sigmoid()

    def occurrences(self, target: Tensor) -> Tensor:
        """How many pixels are no edge, and how many are one."""
        return count_classes(target > 0.5, self.labelled(target), 2)

    def unscorable(self, occurrences: Sequence[int]) -> str | None:
        """Scores say nothing where no pixel is an edge."""
        return None if occurrences[1] else "no pixel is an edge"

    @property
    def meaning(self) -> dict[str, Any]:
        """`edges`, with the `max_distance` at which they are scored, and `colours`."""
        return {"kind": self.kind, "max_distance": self.max_distance, "colours": ramp().tolist()}

    @classmethod
    def from_described(cls, described: Described) -> Self:
        """See `Task`."""
        return cls(described.name, described.meaning["max_distance"])

    def metrics(self) -> MetricCollection:
        """`odsf`, `oisf` and `ap`: see `BoundaryScores`."""
        return TaskScores(self, [_Scores(self.max_distance)])

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """How far the probability is from 1 on an edge, and from 0 elsewhere."""
        wrong = (prediction - target).abs().where(self.labelled(target), torch.nan)
        return wrong.reshape(wrong.shape[-2:])

    def readout(self, value: Tensor) -> Readout | None:
        """The probability to a hundredth."""
        counts = (value.reshape(value.shape[-2:]).nan_to_num(0) * STEPS).round().clamp(0, STEPS)
        return Readout(counts, STEPS, "probability")

    @property
    def legend(self) -> ColourBar:
        """Edges are dark."""
        return ColourBar(ramp(), 0.0, 1.0, "probability of an edge")

    def picture(self, value: Tensor) -> NDArray[np.uint8]:
        """Probabilities, or edges, (1, H, W) or (H, W) in the colours of the legend; unknown pixels are black."""
        p = value.cpu().float().reshape(value.shape[-2:]).numpy()
        known = np.isfinite(p) & (p != UNLABELLED)
        picture: NDArray[np.uint8] = ramp()[(np.where(known, p, 0) * 256).clip(0, 255).astype(np.intp)]
        picture[~known] = 0
        return picture


class _Scores(BoundaryScores):
    """Boundary scores against one annotator or an estimate, in which a probability above one half is an edge."""

    def update(self, prediction: Tensor, target: Tensor) -> None:
        super().update(prediction, torch.where(target < 0, UNLABELLED, (target > 0.5).to(torch.int8)))
