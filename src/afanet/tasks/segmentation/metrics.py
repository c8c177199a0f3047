"""Metrics of segmentation, over a whole set."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassConfusionMatrix

from afanet.tasks.classes import count_classes


class SegmentationScores(MulticlassConfusionMatrix):
    """mIoU, pixel accuracy, class accuracy and frequency-weighted IoU from one confusion matrix over the set.

    With n_tp the pixels of class t that were predicted as p, t_c = sum_p n_cp and
    IoU_c = n_cc / (t_c + sum_t n_tc - n_cc):

    - `miou`: mean of IoU_c over the classes that occur in the truth
    - `pixel_accuracy`: sum_c n_cc / sum_c t_c
    - `class_accuracy`: mean of n_cc / t_c over the classes that occur in the truth
    - `fw_iou`: sum_c t_c IoU_c / sum_c t_c

    Fractions, 0 to 1; NaN where the truth has no labelled pixel. A class that does not occur in the truth counts
    neither as 0 nor as 1: it is left out of both means, and pixels wrongly predicted as it count against their true
    classes. (torchmetrics' `MulticlassJaccardIndex` counts a class that is absent but predicted once as 0, so a single
    pixel can cost a whole class; where every class occurs, the two are equal.)

    >>> import torch
    >>> scores = SegmentationScores(num_classes=3, ignore_index=255)
    >>> scores.update(torch.tensor([[0, 0, 1, 2]]), torch.tensor([[0, 0, 0, 255]]))
    >>> {name: round(value.item(), 3) for name, value in scores.compute().items()}
    {'miou': 0.667, 'pixel_accuracy': 0.667, 'class_accuracy': 0.667, 'fw_iou': 0.667}
    """

    def __init__(self, num_classes: int, ignore_index: int) -> None:
        # Validation would search every batch for its distinct values.
        super().__init__(num_classes, ignore_index=ignore_index, validate_args=False)

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        confusion = self.confmat.double()
        return scores_of(confusion.sum(1), confusion.sum(0), confusion.diagonal())


class ManyClassScores(Metric):
    """As `SegmentationScores`, from three counts for each class: a matrix of thousands of classes takes gigabytes.

    >>> scores = ManyClassScores(num_classes=300, ignore_index=65535)
    >>> scores.update(torch.tensor([[0, 0, 1, 299]]), torch.tensor([[0, 0, 0, 65535]]))
    >>> round(scores.compute()["miou"].item(), 3)
    0.667
    """

    full_state_update = False
    truth: Tensor
    predicted: Tensor
    correct: Tensor

    def __init__(self, num_classes: int, ignore_index: int) -> None:
        super().__init__()
        self.num_classes, self.ignore_index = num_classes, ignore_index
        for name in ("truth", "predicted", "correct"):
            self.add_state(name, default=torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count a batch of class numbers, each int64 (B, H, W)."""
        labelled = target != self.ignore_index
        self.truth += count_classes(target, labelled, self.num_classes)
        self.predicted += count_classes(prediction, labelled, self.num_classes)
        self.correct += count_classes(target, labelled & (prediction == target), self.num_classes)

    def compute(self) -> dict[str, Tensor]:
        """The four scores."""
        return scores_of(self.truth.double(), self.predicted.double(), self.correct.double())


def scores_of(truth: Tensor, predicted: Tensor, correct: Tensor) -> dict[str, Tensor]:
    """The four scores from the pixels of each class in the truth, in the prediction, and in both, float64."""
    occurs = truth > 0
    iou = (correct / (truth + predicted - correct))[occurs]
    return {
        "miou": iou.mean(),
        "pixel_accuracy": correct.sum() / truth.sum(),
        "class_accuracy": (correct / truth)[occurs].mean(),
        "fw_iou": (truth[occurs] * iou).sum() / truth.sum(),
    }
