"""Metrics of multi-label classification, over a whole set."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.classification import MultilabelConfusionMatrix

UNLABELLED = -1


class MultiLabelScores(MultilabelConfusionMatrix):
    """Accuracy and F1 of several labels over the set, from one confusion matrix for each; -1 in the truth is ignored.

    With tp, fp, fn, tn the counts of a label:

    - `accuracy`: the mean of (tp + tn) / (tp + fp + fn + tn) over the labels that have an entry in the truth
    - `macro_f1`: the mean of F1 = 2 tp / (2 tp + fp + fn) over the labels that are on at least once, in truth or
      prediction
    - `micro_f1`: F1 of the counts summed over labels

    Fractions, 0 to 1; NaN where no label is left for the mean. (torchmetrics' own macro averages count a label without
    a single entry as 0.)

    >>> import torch
    >>> scores = MultiLabelScores(num_labels=2)
    >>> scores.update(torch.tensor([[1, 0], [1, 1]]), torch.tensor([[1, -1], [0, 1]]))
    >>> {name: round(value.item(), 3) for name, value in scores.compute().items()}
    {'accuracy': 0.75, 'macro_f1': 0.833, 'micro_f1': 0.8}
    """

    def __init__(self, num_labels: int) -> None:
        # Validation would search every batch for its distinct values.
        super().__init__(num_labels, ignore_index=UNLABELLED, validate_args=False)

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        tn, fp, fn, tp = self.confmat.double().flatten(1).unbind(1)
        known, occurs = tn + fp + fn + tp > 0, tp + fp + fn > 0
        accuracy, f1 = (tp + tn) / (tn + fp + fn + tp), 2 * tp / (2 * tp + fp + fn)
        return {
            "accuracy": accuracy[known].mean(),
            "macro_f1": f1[occurs].mean(),
            "micro_f1": 2 * tp.sum() / (2 * tp + fp + fn).sum(),
        }
