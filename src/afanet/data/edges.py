"""Edges from a map of labels: the borders between regions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.tasks.edges.thin import thinned


def edges_from_labels(labels: NDArray[Any]) -> NDArray[np.int8]:
    """The edges of a map of labels (H, W), one pixel wide: 1 on an edge and 0 elsewhere, (1, H, W).

    A pixel is on an edge where the Laplacian of the labels, the sum over its four neighbours less four times itself, is
    not 0; beyond the border the map is mirrored about its outermost pixels. The edges are then thinned. ASTMT
    (Maninis et al., CVPR 2019) and its successors make the edges of PASCAL-Context in this way.

    >>> edges_from_labels(np.array([[3, 3, 3, 7, 7, 7]] * 6))[0, 2].tolist()
    [0, 0, 1, 0, 0, 0]
    """
    padded = np.pad(labels.astype(np.int64), 1, mode="reflect" if min(labels.shape) > 1 else "edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return thinned(around != 4 * padded[1:-1, 1:-1]).astype(np.int8)[None]
