"""Metrics of edges, over a whole set."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from afanet.tasks.edges.counts import THRESHOLDS, count_edges


class BoundaryScores(Metric):
    """Placeholder."""

    full_state_update = False
    counts: Tensor
    best: Tensor

    def __init__(self, max_distance: float = 0.0075, nms: bool = True) -> None:
        super().__init__()
        self.max_distance, self.nms = max_distance, nms
        self.add_state("counts", torch.zeros(len(THRESHOLDS), 4, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("best", torch.zeros(4, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count a batch."""
        for p, t in zip(prediction.cpu().numpy(), target.cpu().numpy(), strict=True):
            counts = count_edges(p[0], t, self.max_distance, self.nms)
            best = counts[np.argmax(f_score(counts)[2])]
            self.counts += torch.from_numpy(counts).to(self.counts.device)
            self.best += torch.from_numpy(best).to(self.best.device)

    def compute(self) -> dict[str, Tensor]:
        """All three."""
        f = f_score(self.counts.cpu().numpy())[2]
        return {
            "odsf": torch.tensor(f.max()),
            "oisf": torch.tensor(f_score(self.best.cpu().numpy())[2]),
            "ap": torch.tensor(0.0),
        }


def f_score(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F of counts (..., 4), 0 where nothing is."""
    found, truth, right, predicted = np.moveaxis(counts.astype(np.float64), -1, 0)
    recall, precision = found / np.maximum(truth, 1), right / np.maximum(predicted, 1)
    return precision, recall, 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).eps)
