"""Human parts: segmentation into parts of the body, learnt and scored only where there are people."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torchmetrics import MetricCollection

from afanet.tasks.across import ALONE, Across
from afanet.tasks.human_parts.metrics import HumanPartsScores
from afanet.tasks.human_parts.people import PARTS, with_people
from afanet.tasks.scores import TaskScores
from afanet.tasks.segmentation.task import Segmentation


class HumanParts(Segmentation):
    """A part of the body for every pixel; an image whose target has no part is not labelled.

    The first class is the background. An image without people, or a crop of one, counts neither in the loss nor in the
    scores, as in ASTMT, ATRC and InvPT; in an image with people, the background counts as a class.

    >>> import torch
    >>> task = HumanParts()
    >>> nobody, somebody = torch.zeros(2, 2, dtype=torch.int64), torch.tensor([[0, 1], [0, 255]])
    >>> task.labelled(torch.stack([nobody, somebody])).sum((1, 2)).tolist()
    [0, 3]
    """

    kind = "human_parts"

    def __init__(self, classes: Sequence[str] = PARTS, void: int | None = None, name: str = "human_parts") -> None:
        super().__init__(classes, void, name)

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """The chosen loss over the labelled pixels of images with people; by default cross-entropy."""
        return super().loss(logits, with_people(target, self.void), across)

    def labelled(self, target: Tensor) -> Tensor:
        """Pixels that are not void, of images with people."""
        return with_people(target, self.void) != self.void

    def metrics(self) -> MetricCollection:
        """`miou`, `pixel_accuracy`, `class_accuracy` and `fw_iou`: see `SegmentationScores`."""
        return TaskScores(self, [HumanPartsScores(len(self.classes), ignore_index=self.void)])
