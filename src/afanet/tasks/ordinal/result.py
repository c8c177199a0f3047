"""One of several ordered classes for the whole photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afanet.tasks.classification.result import Choice


@dataclass(frozen=True)
class OrderedChoice(Choice):
    """One class, the median: the first that the true one lies beyond no more probably than not."""

    reads = "the probability of each class, in order; decide for the median"

    @staticmethod
    def decide(probabilities: NDArray[np.float32]) -> int:
        """The number of the median class."""
        return int((1 - np.cumsum(probabilities, dtype=np.float32)[:-1] > 0.5).sum())
