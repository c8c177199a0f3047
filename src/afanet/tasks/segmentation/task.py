"""Semantic segmentation: a class for every pixel."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassConfusionMatrix

from afanet.networks.outputs import Dense
from afanet.tasks.across import ALONE, Across
from afanet.tasks.class_weights import read_class_weights, weighted_cross_entropy
from afanet.tasks.task import DenseTask, Swatches

# Ten hues that stay apart under the common colour deficiencies (M. Petroff, arXiv:2107.02270).
HUES = ("3f90da", "ffa90e", "94a4a2", "bd1f01", "832db6", "a96b59", "e76300", "b9ac70", "717581", "92dadd")


def palette(classes: int) -> NDArray[np.uint8]:
    """The first `classes` colours, (classes, 3) uint8: ten hues, then the same ones lighter and darker.

    >>> palette(11)[[0, 10]].tolist()
    [[63, 144, 218], [159, 200, 236]]
    """
    hues = np.array([list(bytes.fromhex(hue)) for hue in HUES], dtype=np.float64)
    rounds = [hues, 255 - (255 - hues) * 0.5, hues * 0.55, 255 - (255 - hues) * 0.22, hues * 0.3]
    table = np.concatenate([rounds[i % len(rounds)] for i in range(-(-classes // len(hues)))])
    return table[:classes].round().astype(np.uint8)


class SegmentationScores(MulticlassConfusionMatrix):
    """mIoU, pixel accuracy, class accuracy and frequency-weighted IoU from one confusion matrix over the set.

    With n_tp the pixels of class t that were predicted as p, t_c = sum_p n_cp and
    IoU_c = n_cc / (t_c + sum_t n_tc - n_cc):

    - `miou`: mean of IoU_c over the classes that occur in the truth
    - `pixel_accuracy`: sum_c n_cc / sum_c t_c
    - `class_accuracy`: mean of n_cc / t_c over the classes that occur in the truth
    - `fw_iou`: sum_c t_c IoU_c / sum_c t_c

    Fractions, 0 to 1; not a number where the truth has no labelled pixel. A class that the truth does not
    have counts neither as 0 nor as 1: it is left out of both means, while the pixels wrongly given to it count
    against the classes they are of. (torchmetrics' `MulticlassJaccardIndex` counts a class that is
    absent but predicted once as 0, so a single pixel can cost a whole class; where every class occurs
    the two are equal.)

    >>> import torch
    >>> scores = SegmentationScores(num_classes=3, ignore_index=255)
    >>> scores.update(torch.tensor([[0, 0, 1, 2]]), torch.tensor([[0, 0, 0, 255]]))
    >>> {name: round(value.item(), 3) for name, value in scores.compute().items()}
    {'miou': 0.667, 'pixel_accuracy': 0.667, 'class_accuracy': 0.667, 'fw_iou': 0.667}
    """

    def __init__(self, num_classes: int, ignore_index: int) -> None:
        # Checking the values would search every batch for its distinct ones.
        super().__init__(num_classes, ignore_index=ignore_index, validate_args=False)

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        confusion = self.confmat.double()
        truth, predicted, correct = confusion.sum(1), confusion.sum(0), confusion.diagonal()
        occurs = truth > 0
        iou = (correct / (truth + predicted - correct))[occurs]
        return {
            "miou": iou.mean(),
            "pixel_accuracy": correct.sum() / truth.sum(),
            "class_accuracy": (correct / truth)[occurs].mean(),
            "fw_iou": (truth[occurs] * iou).sum() / truth.sum(),
        }


class Segmentation(DenseTask):
    """A class for every pixel, by cross-entropy; pixels of the target that are `void` count nowhere.

    Target int64 (B, H, W); logits (B, classes, H, W); prediction int64 (B, H, W).

    >>> import torch
    >>> task = Segmentation(["floor", "wall"])
    >>> logits = torch.tensor([[[[2.0, -1.0]], [[0.0, 3.0]]]])
    >>> task.predict(logits).tolist()
    [[[0, 1]]]
    >>> task.loss(logits, torch.tensor([[[0, 255]]])).item()  # ln(1 + exp(-2))
    0.1269...
    """

    main_metric = "miou"
    error_limit = 1.0
    error_unit = "wrong"
    class_weights: tuple[float, ...] | None = None

    def __init__(self, classes: Sequence[str], void: int = 255, name: str = "segmentation") -> None:
        self.name = name
        self.classes = self.names = tuple(classes)
        self.void = void
        self.output = Dense(len(self.classes))
        self.higher_is_better = dict.fromkeys(("miou", "pixel_accuracy", "class_accuracy", "fw_iou"), True)

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """Cross-entropy in nats, averaged over the labelled pixels of the batch with the weights of their classes."""
        return weighted_cross_entropy(logits, target, self.class_weights, self.void, across)

    def with_loss(self, options: Mapping[str, Any]) -> Self:
        """This task with `class_weights`, a number for each class or some by name: see `read_class_weights`."""
        changed = copy.copy(self)
        changed.class_weights = read_class_weights(self.name, self.classes, options)
        return changed

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """Void everywhere, int64 (H, W)."""
        return torch.full(size, self.void)

    def labelled(self, target: Tensor) -> Tensor:
        """Pixels that are not void."""
        return target != self.void

    def predict(self, logits: Tensor) -> Tensor:
        """The most probable class of each pixel, int64 (B, H, W)."""
        return logits.argmax(1)

    def estimate(self, logits: Tensor) -> Tensor:
        """The probability of each class at each pixel, float32 (B, classes, H, W)."""
        return logits.float().softmax(1)

    @property
    def meaning(self) -> dict[str, Any]:
        """`segmentation`, with its `classes` and their `colours`."""
        return {"kind": "segmentation", "classes": list(self.classes), "colours": self.legend.colours.tolist()}

    def metrics(self) -> MetricCollection:
        """`miou`, `pixel_accuracy`, `class_accuracy` and `fw_iou`: see `SegmentationScores`."""
        return MetricCollection([SegmentationScores(len(self.classes), ignore_index=self.void)])

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """1 where the class is wrong, 0 where it is right."""
        return (prediction != target).float().masked_fill(~self.labelled(target), torch.nan)

    @property
    def legend(self) -> Swatches:
        """A colour for each class."""
        return Swatches(self.classes, palette(len(self.classes)))

    def picture(self, value: Tensor) -> NDArray[np.uint8]:
        """Class ids (H, W) in the classes' colours, void in black."""
        colours: NDArray[Any] = np.zeros((self.void + 1, 3), np.uint8)
        colours[: len(self.classes)] = palette(len(self.classes))
        picture: NDArray[np.uint8] = colours[value.cpu().numpy()]
        return picture
