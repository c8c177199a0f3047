"""Metrics of human parts, over a whole set."""

from __future__ import annotations

from torch import Tensor

from afanet.tasks.human_parts.people import with_people
from afanet.tasks.segmentation.metrics import SegmentationScores


class HumanPartsScores(SegmentationScores):
    """As `SegmentationScores`, over the images whose truth has a part of the body.

    >>> import torch
    >>> scores = HumanPartsScores(num_classes=3, ignore_index=255)
    >>> scores.update(torch.tensor([[[1, 1]], [[0, 1]]]), torch.tensor([[[0, 0]], [[0, 1]]]))
    >>> round(scores.compute()["pixel_accuracy"].item(), 3)  # the first image has nobody
    1.0
    """

    def __init__(self, num_classes: int, ignore_index: int) -> None:
        super().__init__(num_classes, ignore_index)
        self.void = ignore_index

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count a batch of class numbers, each int64 (B, H, W)."""
        super().update(prediction, with_people(target, self.void))
