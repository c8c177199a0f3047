"""Semantic segmentation: a class for every pixel."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import MetricCollection

from afanet.networks.outputs import Dense
from afanet.tasks.across import ALONE, Across
from afanet.tasks.class_losses import ClassTask, class_loss
from afanet.tasks.classes import count_classes, decided, too_few_classes
from afanet.tasks.described import Described
from afanet.tasks.drawing.palette import palette
from afanet.tasks.scores import TaskScores
from afanet.tasks.segmentation.metrics import ManyClassScores, SegmentationScores
from afanet.tasks.segmentation.values import void_of
from afanet.tasks.task import DenseTask, Readout, Swatches


class Segmentation(ClassTask, DenseTask):
    """A class for every pixel, learnt by cross-entropy by default; pixels of the target that are `void` are ignored.

    By default, `void` is 255, or 65535 for more than 255 classes. Target int64 (B, H, W); logits (B, classes, H, W);
    prediction int64 (B, H, W).

    >>> import torch
    >>> task = Segmentation(["floor", "wall"])
    >>> logits = torch.tensor([[[[2.0, -1.0]], [[0.0, 3.0]]]])
    >>> task.predict(logits).tolist()
    [[[0, 1]]]
    >>> task.loss(logits, torch.tensor([[[0, 255]]])).item()  # ln(1 + exp(-2))
    0.1269...
    """

    kind = "segmentation"
    main_metric = "miou"
    error_limit = 1.0
    error_unit = "wrong"
    loss_names = ("cross_entropy", "focal", "dice", "ce_dice")

    def __init__(self, classes: Sequence[str], void: int | None = None, name: str = "segmentation") -> None:
        self.name = name
        self.classes = self.names = tuple(classes)
        self.colours = palette(len(self.classes))
        self.void = void_of(len(self.classes)) if void is None else void
        self.output = Dense(len(self.classes))
        self.higher_is_better = dict.fromkeys(("miou", "pixel_accuracy", "class_accuracy", "fw_iou"), True)

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """The chosen loss over the labelled pixels of the batch, see `class_loss`; by default cross-entropy."""
        return class_loss(logits, target, self.class_loss, self.void, across)

    def with_colours(self, colours: Sequence[Sequence[int]]) -> Self:
        """This task, drawn in other `colours`: red, green and blue from 0 to 255 for each class."""
        changed = copy.copy(self)
        changed.colours = np.array(colours, np.uint8)
        return changed

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """Void everywhere, int64 (H, W)."""
        return torch.full(size, self.void)

    def labelled(self, target: Tensor) -> Tensor:
        """Pixels that are not void."""
        return target != self.void

    def predict(self, logits: Tensor) -> Tensor:
        """The most probable class of each pixel, int64 (B, H, W); -1 where a logit is not finite."""
        return decided(logits.argmax(1), logits)

    def occurrences(self, target: Tensor) -> Tensor:
        """How often each class occurs."""
        return count_classes(target, self.labelled(target), len(self.names))

    def unscorable(self, occurrences: Sequence[int]) -> str | None:
        """Scores over a single class say nothing: whoever always answers it is always right."""
        return too_few_classes(occurrences)

    def estimate(self, logits: Tensor) -> Tensor:
        """The probability of each class at each pixel, float32 (B, classes, H, W)."""
        return logits.float().softmax(1)

    @property
    def meaning(self) -> dict[str, Any]:
        """`segmentation`, with its `classes` and their `colours`."""
        return {"kind": self.kind, "classes": list(self.classes), "colours": self.colours.tolist()}

    @classmethod
    def from_described(cls, described: Described) -> Self:
        """See `Task`."""
        task = cls(described.meaning["classes"], name=described.name)
        return task.with_colours(described.meaning["colours"]) if "colours" in described.meaning else task

    def metrics(self) -> MetricCollection:
        """`miou`, `pixel_accuracy`, `class_accuracy` and `fw_iou`: see `SegmentationScores`."""
        kind = SegmentationScores if len(self.classes) <= 255 else ManyClassScores
        return TaskScores(self, [kind(len(self.classes), ignore_index=self.void)])

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """1 where the class is wrong, 0 where it is right."""
        return (prediction != target).float().masked_fill(~self.labelled(target), torch.nan)

    def change(self, before: Tensor, after: Tensor) -> str:
        """The share of pixels whose class changed."""
        changed = (self.predict(before)[0] != self.predict(after)[0]).float().mean().item()
        return f"{changed:.1%} of the pixels have another class"

    def readout(self, value: Tensor) -> Readout:
        """The class of each pixel."""
        return Readout(value)

    @property
    def legend(self) -> Swatches:
        """A colour for each class."""
        return Swatches(self.classes, self.colours)

    def picture(self, value: Tensor) -> NDArray[np.uint8]:
        """Class ids (H, W) in the classes' colours, void in black."""
        colours: NDArray[Any] = np.zeros((self.void + 1, 3), np.uint8)
        colours[: len(self.classes)] = self.colours
        picture: NDArray[np.uint8] = colours[value.cpu().numpy()]
        return picture
