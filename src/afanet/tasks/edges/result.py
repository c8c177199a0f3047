"""The probability of an edge at every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afanet.tasks.label import Bools, LabelFile, npy
from afanet.tasks.meaning import Check, is_number
from afanet.tasks.probability_map import ProbabilityMap

MAX_DISTANCE = 0.0075  # of BSDS and PASCAL, in diagonals of the image
PAPER, INK = (245, 245, 240), (20, 50, 120)


def ramp() -> NDArray[np.uint8]:
    """The colours of the probabilities 0 to 1, (256, 3) uint8: from paper to ink."""
    share = np.linspace(0, 1, 256)[:, None]
    colours: NDArray[np.uint8] = (np.array(PAPER) * (1 - share) + np.array(INK) * share).round().astype(np.uint8)
    return colours


@dataclass(frozen=True, eq=False, repr=False)
class EdgeProbabilities(ProbabilityMap):
    """How probable an edge is: `probability` is (H, W) float32, 0 to 1; `colours` go from 0 to 1.

    `max_distance` is the distance, in diagonals of the image, within which an edge was scored as found. Where the
    network did not see the photo, `probability` is NaN, and pictures are black.
    """

    max_distance: float = MAX_DISTANCE

    expected: ClassVar[Mapping[str, Check]] = {
        "max_distance": ("a number above 0, 1 at most", lambda value: is_number(value) and 0 < value <= 1),
        **ProbabilityMap.expected,
    }
    reads = "the probability of an edge at each pixel"
    unit = "probability of an edge"
    what = "edges"

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Resize probabilities (1, h, w)."""
        return replace(super().read(task, meaning, estimate, size), max_distance=float(meaning["max_distance"]))

    @property
    def declaration(self) -> dict[str, Any]:
        """Its `max_distance`."""
        return {"max_distance": self.max_distance}

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> LabelFile:
        """A `.npy` of int16: 255 where an edge is more probable than not, 0 elsewhere, -1 where nothing is known."""
        edges = np.where(self.probability > 0.5, np.int16(255), np.int16(0))
        edges[~(self.seen if known is None else self.seen & known)] = -1
        return LabelFile(".npy", npy(edges))
