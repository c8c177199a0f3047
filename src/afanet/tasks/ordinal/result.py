"""One of several ordered classes for the whole photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afanet.tasks.classification.result import Choice


@dataclass(frozen=True)
class OrderedChoice(Choice):
    """The median class: the first that the true class lies beyond with a probability of at most one half."""

    reads = "the probability of each class, in order; the answer is the median"

    @staticmethod
    def decide(probabilities: NDArray[np.float32]) -> int:
        """The number of the median class."""
        return int((1 - np.cumsum(probabilities, dtype=np.float32)[:-1] > 0.5).sum())
