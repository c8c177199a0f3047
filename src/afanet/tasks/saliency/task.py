"""Saliency: whether each pixel belongs to what stands out in a photo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import MetricCollection

from afanet.networks.outputs import Dense
from afanet.tasks.across import ALONE, Across
from afanet.tasks.classes import count_classes, too_few_classes
from afanet.tasks.described import Described
from afanet.tasks.saliency.losses import balanced_cross_entropy
from afanet.tasks.saliency.metrics import SaliencyScores
from afanet.tasks.scores import TaskScores
from afanet.tasks.task import ColourBar, DenseTask, Readout
from afanet.tasks.taught import TaughtLabels

UNLABELLED = -1


class Saliency(TaughtLabels, DenseTask):
    """The probability that each pixel is salient, learnt by balanced cross-entropy; a target of -1 is not labelled.

    Target int8 (B, 1, H, W) of 0 and 1; logits (B, 1, H, W); prediction float32 (B, 1, H, W), a probability. A target
    may be a probability too, and is then salient above one half.

    >>> task = Saliency()
    >>> logits = torch.tensor([[[[0.0, 2.0]]]])
    >>> [round(p, 3) for p in task.predict(logits).flatten().tolist()]
    [0.5, 0.881]
    >>> round(task.loss(logits, torch.tensor([[[[0, 1]]]])).item(), 3)  # (ln 2 + ln(1 + exp(-2))) / 4
    0.205
    """

    kind = "saliency"
    main_metric = "max_f"
    error_limit = 1.0
    error_unit = "of probability"
    names = ("background", "salient")

    def __init__(self, name: str = "saliency") -> None:
        self.name = name
        self.output = Dense(1)
        self.higher_is_better = dict.fromkeys(("max_f", "miou"), True)

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """Cross-entropy over the labelled pixels of the batch, see `balanced_cross_entropy`."""
        return balanced_cross_entropy(logits, target > 0.5, self.labelled(target), across)

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """-1 everywhere, int8 (1, H, W)."""
        return torch.full((1, *size), UNLABELLED, dtype=torch.int8)

    def labelled(self, target: Tensor) -> Tensor:
        """Pixels that are salient or not."""
        return target >= 0

    def predict(self, logits: Tensor) -> Tensor:
        """The probability of each pixel, float32 (B, 1, H, W)."""
        return logits.float().sigmoid()

    def estimate(self, logits: Tensor) -> Tensor:
        """The probability: the prediction itself."""
        return self.predict(logits)

    def tally(self, target: Tensor) -> Tensor:
        """How many pixels are background, and how many are salient."""
        return count_classes(target > 0.5, self.labelled(target), 2)

    def occurrences(self, target: Tensor) -> Tensor:
        """How many pixels are background, and how many are salient."""
        return self.tally(target)

    def unscorable(self, occurrences: Sequence[int]) -> str | None:
        """Scores say nothing where all is salient, or nothing is."""
        return too_few_classes(occurrences)

    @property
    def meaning(self) -> dict[str, Any]:
        """`saliency`, with the `colours` of probabilities from 0 to 1."""
        return {"kind": self.kind, "colours": self.legend.colours.tolist()}

    @classmethod
    def from_described(cls, described: Described) -> Self:
        """See `Task`."""
        return cls(described.name)

    def metrics(self) -> MetricCollection:
        """`max_f` and `miou`: see `SaliencyScores`."""
        return TaskScores(self, [SaliencyScores()])

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """How far the probability is from the truth."""
        wrong = (prediction - target).abs().masked_fill(~self.labelled(target), torch.nan)
        return wrong.reshape(wrong.shape[-2:])

    def readout(self, value: Tensor) -> Readout:
        """The probability in hundredths."""
        return Readout((value.reshape(value.shape[-2:]) * 100).round().clamp(0, 100), 100)

    @property
    def legend(self) -> ColourBar:
        """Dark is background, bright is salient."""
        return ColourBar(shades(np.linspace(0, 1, 256)), 0.0, 1.0, "probability of being salient")

    def picture(self, value: Tensor) -> NDArray[np.uint8]:
        """Probabilities, or a mask, in the colours of the legend; black where there is no label."""
        known = value.cpu().reshape(value.shape[-2:]).float().numpy()
        picture = shades(known)
        picture[known < 0] = 0
        return picture


def shades(fractions: NDArray[Any]) -> NDArray[np.uint8]:
    """A perceptually uniform colour for each value from 0 to 1, none of them black."""
    colours: NDArray[np.uint8] = colormaps["cividis"](np.clip(fractions, 0, 1), bytes=True)[..., :3].copy()
    return colours
