"""Metrics of ordinal regression, over a whole set."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix


class OrdinalScores(MulticlassConfusionMatrix):
    """`accuracy`, and `mae`, the mean number of classes between prediction and truth, over the set.

    NaN where nothing was labelled.

    >>> import torch
    >>> scores = OrdinalScores(num_classes=4, ignore_index=-1)
    >>> scores.update(torch.tensor([0, 1, 3, 0]), torch.tensor([1, 1, 1, -1]))
    >>> {name: round(value.item(), 3) for name, value in scores.compute().items()}
    {'accuracy': 0.333, 'mae': 1.0}
    """

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        confusion = self.confmat.double()
        index = torch.arange(len(confusion), device=confusion.device)
        off = confusion * (index[:, None] - index).abs()
        return {"accuracy": confusion.trace() / confusion.sum(), "mae": off.sum() / confusion.sum()}
