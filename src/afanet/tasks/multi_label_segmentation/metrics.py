"""Metrics of masks that may overlap, over a whole set."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class MaskScores(Metric):
    """IoU and F1 of each label's mask, from counts over all labelled pixels of the set; -1 in the truth is ignored.

    With tp, fp and fn the counts of a label:

    - `miou`: the mean over labels of tp / (tp + fp + fn)
    - `macro_f1`: the mean over labels of 2 tp / (2 tp + fp + fn)
    - `micro_f1`: F1 of the counts summed over labels

    A label that is nowhere on, in truth or prediction, is left out. Fractions, 0 to 1; NaN where no label is left.

    >>> scores = MaskScores(labels=2)
    >>> scores.update(torch.tensor([[[[1, 1]], [[0, 1]]]]), torch.tensor([[[[1, 0]], [[-1, 1]]]]))
    >>> {name: round(value.item(), 3) for name, value in scores.compute().items()}
    {'miou': 0.75, 'macro_f1': 0.833, 'micro_f1': 0.8}
    """

    full_state_update = False
    counts: Tensor

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.add_state("counts", default=torch.zeros(3, labels, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count a batch: two tensors of one shape, (B, L, H, W)."""
        p, on, off = prediction == 1, target == 1, target == 0
        self.counts += torch.stack([part.sum((0, 2, 3)) for part in (p & on, p & off, ~p & on)])

    def compute(self) -> dict[str, Tensor]:
        """All three."""
        tp, fp, fn = self.counts.double()
        occurs = tp + fp + fn > 0
        return {
            "miou": (tp / (tp + fp + fn))[occurs].mean(),
            "macro_f1": (2 * tp / (2 * tp + fp + fn))[occurs].mean(),
            "micro_f1": 2 * tp.sum() / (2 * tp + fp + fn).sum(),
        }
