"""Metrics of edges, over a whole set."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import repeat
from multiprocessing import get_context

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from afanet.errors import InputError
from afanet.tasks.edges.counts import THRESHOLDS, count_edges
from afanet.tasks.edges.result import MAX_DISTANCE

Floats = NDArray[np.float64]
BETWEEN = np.linspace(0, 1, 100)[:, None]  # places between one threshold and the next
RECALLS = np.arange(101) / 100


class BoundaryScores(Metric):
    """How well edges are found: the F-measures of the Berkeley benchmark, and its average precision, over a set.

    Each map undergoes non-maximum suppression across edges. At each threshold from 0.01 to 0.99, the pixels that reach
    it are thinned, and predicted and true edge pixels are matched one to one, as many as possible, within a distance d
    of `max_distance` diagonals of the image. Summed over all images, with recall R = matched true / true pixels and
    precision P = matched predicted / predicted pixels, F = 2 P R / (P + R). Each annotator's edges are matched by
    themselves, at the least total distance, and a predicted pixel counts as matched if it matches an edge of any
    annotator (Martin, Fowlkes & Malik, TPAMI 2004; Arbelaez et al., TPAMI 2011).

    - `odsf`: the largest F with one threshold for the whole set, R and P interpolated between thresholds
    - `oisf`: F with each image at the threshold that is best for it
    - `ap`: the mean of P over R from 0 to 1

    Fractions, 0 to 1; NaN where the truth has no edge pixel.

    Args:
        max_distance: d, as a fraction of the diagonal: 0.0075 for BSDS and PASCAL, 0.011 for NYUD.
        nms: whether to apply non-maximum suppression; not for maps that people have drawn.
        processes: how many processes share the images of a batch; 1 means only this process.

    >>> scores = BoundaryScores()
    >>> line = torch.zeros(1, 1, 100, 100)
    >>> line[..., 50] = 0.8
    >>> scores.update(line, (line > 0).int())  # what is suppressed at the border is missed
    >>> {name: round(value.item(), 2) for name, value in scores.compute().items()}
    {'odsf': 0.99, 'oisf': 0.99, 'ap': 0.54}
    """

    full_state_update = False
    counts: Tensor
    best: Tensor

    def __init__(self, max_distance: float = MAX_DISTANCE, nms: bool = True, processes: int = 1) -> None:
        super().__init__()
        if not 0 < max_distance <= 1:
            raise InputError(f"max_distance is {max_distance}, expected a fraction of the diagonal, such as 0.0075")
        self.max_distance, self.nms, self.processes = max_distance, nms, processes
        self.add_state("counts", torch.zeros(len(THRESHOLDS), 4, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("best", torch.zeros(4, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count a batch: probabilities (B, 1, H, W), and for each of A annotators 1, 0 or -1 (not known), (B, A, H, W).

        Raises `InputError` for other shapes, probabilities and values.
        """
        _require_maps(prediction, target)
        maps, truths = prediction[:, 0].detach().float().cpu().numpy(), target.cpu().numpy()
        jobs = maps, truths, repeat(self.max_distance), repeat(self.nms)
        together = self.processes > 1 and len(maps) > 1
        for counts in _pool(self.processes).map(count_edges, *jobs) if together else map(count_edges, *jobs):
            f = f_measure(*recall_and_precision(counts))
            self.counts += torch.from_numpy(counts).to(self.counts.device)
            self.best += torch.from_numpy(counts[f.argmax()]).to(self.best.device)

    def compute(self) -> dict[str, Tensor]:
        """All three, float64."""
        recall, precision = recall_and_precision(self.counts.cpu().numpy())
        scores = {
            "odsf": best_f(recall, precision),
            "oisf": float(f_measure(*recall_and_precision(self.best.cpu().numpy()))),
            "ap": average_precision(recall, precision),
        }
        labelled = bool(self.counts[0, 1] > 0)
        return {
            name: torch.tensor(score if labelled else np.nan, dtype=torch.float64, device=self.counts.device)
            for name, score in scores.items()
        }


def recall_and_precision(counts: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """R and P of counts (..., 4) as `count_edges` gives them; 0 where nothing can be counted."""
    found, edges, right, predicted = np.moveaxis(counts, -1, 0)
    return found / np.maximum(edges, 1), right / np.maximum(predicted, 1)


def f_measure(recall: Floats, precision: Floats) -> Floats:
    """2 P R / (P + R), 0 where both are 0.

    >>> f_measure(np.array([0.5, 0.0]), np.array([1.0, 0.0])).round(3).tolist()
    [0.667, 0.0]
    """
    product: Floats = 2 * precision * recall
    return product / np.maximum(precision + recall, np.finfo(np.float64).eps)


def best_f(recall: Floats, precision: Floats) -> float:
    """The largest F along straight lines from each threshold (R, P) to the next, at 100 places of each."""
    r, p = (value[:-1] * (1 - BETWEEN) + value[1:] * BETWEEN for value in (recall, precision))
    return float(f_measure(r, p).max())


def average_precision(recall: Floats, precision: Floats) -> float:
    """P interpolated at R = 0, 0.01, ..., 1 where R is reached, summed, and divided by 100 as in the benchmark."""
    reached, first = np.unique(recall, return_index=True)
    if len(reached) == 1:
        return 0.0
    return float(np.nansum(np.interp(RECALLS, reached, precision[first], np.nan, np.nan)) / 100)


@cache
def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, get_context("spawn"))


def _require_maps(prediction: Tensor, target: Tensor) -> None:
    if (
        prediction.ndim != 4
        or prediction.shape[1] != 1
        or target.shape != (len(prediction), *target.shape[1:2], *prediction.shape[2:])
    ):
        raise InputError(
            f"edges are {tuple(prediction.shape)} and their truth {tuple(target.shape)}, expected (B, 1, H, W) and "
            "(B, A, H, W), a map of each of A annotators"
        )
    if not bool(((prediction >= 0) & (prediction <= 1)).all()):
        raise InputError("a probability of an edge is not within 0 to 1: divide maps of 8 bits by 255")
    if not bool(((target == 0) | (target == 1) | (target == -1)).all()):
        raise InputError("the truth of edges has a value other than 1 (edge), 0 (none) and -1 (not known)")
