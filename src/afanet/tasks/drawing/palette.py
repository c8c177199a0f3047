"""Colours that stay apart, for classes and methods."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Ten hues that stay apart under the common colour deficiencies (M. Petroff, arXiv:2107.02270).
HUES = ("3f90da", "ffa90e", "94a4a2", "bd1f01", "832db6", "a96b59", "e76300", "b9ac70", "717581", "92dadd")


def palette(classes: int) -> NDArray[np.uint8]:
    """The first `classes` colours, (classes, 3) uint8: ten hues, then the same ones lighter and darker.

    >>> palette(11)[[0, 10]].tolist()
    [[63, 144, 218], [159, 200, 236]]
    """
    hues = np.array([list(bytes.fromhex(hue)) for hue in HUES], dtype=np.float64)
    rounds = [hues, 255 - (255 - hues) * 0.5, hues * 0.55, 255 - (255 - hues) * 0.22, hues * 0.3]
    table = np.concatenate([rounds[i % len(rounds)] for i in range(-(-classes // len(hues)))])
    return table[:classes].round().astype(np.uint8)
