"""The probability of being salient for every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from afanet.tasks.drawing.png import png
from afanet.tasks.label import Bools, LabelFile, npy
from afanet.tasks.probability_map import ProbabilityMap


@dataclass(frozen=True, eq=False, repr=False)
class SaliencyMap(ProbabilityMap):
    """How probable it is that each pixel is salient: `probability` is (H, W) float32, 0 to 1.

    Where the network did not see the photo, `probability` is -1, and pictures are black.
    """

    reads = "the probability that each pixel is salient"
    absent = -1
    unit = "probability of being salient"
    what = "salient"

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> LabelFile:
        """A PNG of 255 where the probability is above one half and 0 elsewhere; a `.npy` if some pixels are unknown.

        The `.npy` has 1, 0, and -1 where nothing is known.
        """
        labelled = self.seen if known is None else self.seen & known
        salient = self.probability > 0.5
        if labelled.all():
            return LabelFile(".png", png(np.where(salient, np.uint8(255), np.uint8(0))))
        return LabelFile(".npy", npy(np.where(labelled, salient.astype(np.int8), np.int8(-1))))
