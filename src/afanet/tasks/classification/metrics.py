"""Metrics of classification, over a whole set."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

UNLABELLED = -1


class ClassScores(MulticlassConfusionMatrix):
    """Accuracy and F1 over the set, from one confusion matrix; unlabelled samples are ignored.

    With tp, fp, fn the counts of a class:

    - `accuracy`: sum tp over all samples
    - `macro_f1`: the mean of F1 = 2 tp / (2 tp + fp + fn) over the classes that occur in truth or prediction
    - `micro_f1`: F1 of the counts summed over classes, which equals the accuracy, since a sample has one class

    Fractions, 0 to 1; NaN where nothing was labelled (torchmetrics' own give 0).

    >>> import torch
    >>> scores = ClassScores(num_classes=3, ignore_index=-1)
    >>> scores.update(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))
    >>> {name: round(value.item(), 3) for name, value in scores.compute().items()}
    {'accuracy': 0.667, 'macro_f1': 0.667, 'micro_f1': 0.667}
    """

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        confusion = self.confmat.double()
        tp, twice = confusion.diagonal(), confusion.sum(0) + confusion.sum(1)  # 2 tp + fp + fn
        accuracy = tp.sum() / confusion.sum()
        occurs = twice > 0
        return {"accuracy": accuracy, "macro_f1": (2 * tp / twice)[occurs].mean(), "micro_f1": accuracy}


class OneOff(MulticlassConfusionMatrix):
    """The fraction of samples whose prediction is the true class or one of its two neighbours in order.

    >>> import torch
    >>> metric = OneOff(num_classes=4, ignore_index=-1)
    >>> metric(torch.tensor([0, 1, 3, 0]), torch.tensor([1, 1, 1, -1])).item()
    0.6666...
    """

    def compute(self) -> Tensor:
        """Between 0 and 1; NaN where nothing was labelled."""
        confusion = self.confmat.double()
        return confusion.tril(1).triu(-1).sum() / confusion.sum()
