"""Multi-label segmentation: masks that may overlap, each label on or off independently at each pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import MetricCollection

from afanet.networks.outputs import Dense
from afanet.tasks.across import ALONE, Across
from afanet.tasks.binary_losses import LabelsTask, binary_loss
from afanet.tasks.described import Described
from afanet.tasks.drawing.palette import palette
from afanet.tasks.multi_label_segmentation.blend import blended
from afanet.tasks.multi_label_segmentation.metrics import MaskScores
from afanet.tasks.scores import TaskScores
from afanet.tasks.sides import swapped_order
from afanet.tasks.task import NO_CLASS, DenseTask, Swatches

UNLABELLED = -1


class MultiLabelSegmentation(LabelsTask, DenseTask):
    """Labels that each pixel has or lacks, learnt by binary cross-entropy by default; -1 means not labelled.

    Target int8 (B, L, H, W) of 0, 1 and -1; logits (B, L, H, W); prediction int8 (B, L, H, W), 1 where the probability
    is above one half.

    >>> task = MultiLabelSegmentation(["road", "wet"], name="surface")
    >>> logits = torch.tensor([[[[2.0, 3.0]], [[-1.0, 1.0]]]])
    >>> task.predict(logits).tolist()
    [[[[1, 1]], [[0, 1]]]]
    >>> round(task.loss(logits, torch.tensor([[[[-1, -1]], [[0, -1]]]])).item(), 4)  # ln(1 + exp(-1))
    0.3133
    """

    kind = "multi_label_segmentation"
    main_metric = "miou"
    error_limit = 1.0
    error_unit = "wrong"

    def __init__(self, labels: Sequence[str], name: str) -> None:
        self.name = name
        self.labels = self.names = tuple(labels)
        self.colours = palette(len(self.labels))
        self.output = Dense(len(self.labels))
        self.higher_is_better = dict.fromkeys(("miou", "macro_f1", "micro_f1"), True)

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """The chosen loss over the labelled entries of the batch, see `binary_loss`; by default cross-entropy."""
        return binary_loss(logits, target, self.labelled(target), self.class_loss, across)

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """-1 everywhere, int8 (L, H, W)."""
        return torch.full((len(self.labels), *size), UNLABELLED, dtype=torch.int8)

    def labelled(self, target: Tensor) -> Tensor:
        """Entries that are on or off."""
        return target != UNLABELLED

    def swapped(self, target: Tensor) -> Tensor:
        """A target in which the masks of each pair in `swap` are exchanged."""
        return target[..., swapped_order(len(self.labels), self.swap), :, :]

    def tally(self, target: Tensor) -> Tensor:
        """At how many pixels each label is on."""
        return (target == 1).movedim(-3, 0).flatten(1).sum(1)

    def doubt(self, statistics: Mapping[str, Any]) -> str | None:
        """Nothing: a label may be the only one that occurs."""
        return None

    def fault(self, target: Tensor) -> str | None:
        """An entry that is neither on, off nor unlabelled, or a wrong number of masks."""
        if target.shape[-3] != len(self.labels):
            return f"{target.shape[-3]} masks, expected one for each of its {len(self.labels)} labels"
        wrong = target[(target < UNLABELLED) | (target > 1)]
        return f"label {wrong[0]}, expected 1 (on), 0 (off) or {UNLABELLED} (unlabelled)" if len(wrong) else None

    def predict(self, logits: Tensor) -> Tensor:
        """1 for labels more probable than not, else 0, int8 (B, L, H, W); -1 where the logit is not finite."""
        return (logits > 0).to(torch.int8).masked_fill(~logits.isfinite(), NO_CLASS)

    def occurrences(self, target: Tensor) -> Tensor:
        """At how many pixels each label is on, and then at how many each is off, (2 L,)."""
        return torch.cat([(target == value).sum((0, 2, 3)) for value in (1, 0)])

    def unscorable(self, occurrences: Sequence[int]) -> str | None:
        """Scores say nothing where no label is both on and off."""
        on, off = occurrences[: len(self.labels)], occurrences[len(self.labels) :]
        return None if any(map(min, on, off)) else "no label is both on and off"

    def estimate(self, logits: Tensor) -> Tensor:
        """The probability of each label at each pixel, float32 (B, L, H, W)."""
        return logits.float().sigmoid()

    @property
    def meaning(self) -> dict[str, Any]:
        """`multi_label_segmentation`, with its `labels` and their `colours`."""
        return {"kind": self.kind, "labels": list(self.labels), "colours": self.colours.tolist()}

    @classmethod
    def from_described(cls, described: Described) -> Self:
        """See `Task`."""
        return cls(described.meaning["labels"], described.name)

    def metrics(self) -> MetricCollection:
        """`miou`, `macro_f1` and `micro_f1`: see `MaskScores`."""
        return TaskScores(self, [MaskScores(len(self.labels))])

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The share of a pixel's labelled entries that are wrong."""
        known = self.labelled(target)
        wrong = ((prediction != target) & known).sum(-3).float()
        return wrong / known.sum(-3)  # 0 / 0 is NaN: nothing is labelled

    def change(self, before: Tensor, after: Tensor) -> str:
        """The share of pixels at which some label changed."""
        changed = (self.predict(before)[0] != self.predict(after)[0]).any(0).float().mean().item()
        return f"{changed:.1%} of the pixels have other labels"

    @property
    def legend(self) -> Swatches:
        """A colour for each label."""
        return Swatches(self.labels, self.colours)

    def picture(self, value: Tensor) -> NDArray[np.uint8]:
        """Masks (L, H, W), blended where they overlap: see `blended`."""
        return blended(value.cpu().numpy(), self.colours)
