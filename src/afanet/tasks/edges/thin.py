"""From a map of probabilities to thin edges: non-maximum suppression, thresholds, thinning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Map = NDArray[np.float64]
Bools = NDArray[np.bool_]

AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))  # x1 to x8: from the east, by the north
TRIANGLE = np.array([1, 2, 3, 4, 5, 4, 3, 2, 1]) / 25
MARGIN = 1.01  # by which a neighbour must exceed a pixel to suppress it


def suppress(probability: Map) -> Map:
    """Non-maximum suppression: 0 where a neighbour across the edge is more than a hundredth larger (H, W).

    The direction across an edge is that in which the map, smoothed by a triangle of radius 4, curves down the most: the
    eigenvector of the smaller eigenvalue of its Hessian. The neighbours are one pixel away on both sides, interpolated
    bilinearly; beyond the border the map goes on with its last value.

    >>> suppress(np.array([[0.1, 0.5, 0.9, 0.5, 0.1]] * 3))[1].tolist()
    [0.0, 0.0, 0.9, 0.0, 0.0]
    """
    if min(probability.shape) < 2:
        return probability
    smooth = ndimage.convolve1d(ndimage.convolve1d(probability, TRIANGLE, 0), TRIANGLE, 1)
    down, right = np.gradient(smooth)
    (yy, xy), xx = np.gradient(down), np.gradient(right, axis=1)
    angle = np.arctan2(2 * xy, xx - yy) / 2 + np.pi / 2
    y, x = np.nonzero(probability)
    dy, dx = np.sin(angle[y, x]), np.cos(angle[y, x])
    sides = [ndimage.map_coordinates(probability, (y + s * dy, x + s * dx), order=1, mode="nearest") for s in (1, -1)]
    kept = probability[y, x] * MARGIN >= np.maximum(*sides)
    thin = np.zeros_like(probability)
    thin[y[kept], x[kept]] = probability[y[kept], x[kept]]
    return thin


def _removable(codes: NDArray[np.intp]) -> tuple[Bools, Bools]:
    """Which pixels each of the two halves of a pass removes, by the code of their neighbours: bit k is x_{k+1}."""
    x = [(codes >> k & 1).astype(bool) for k in range(8)]
    crossings = sum((~x[k] & (x[k + 1] | x[(k + 2) % 8])).astype(int) for k in (0, 2, 4, 6))
    pairs = [sum((x[k] | x[(k + side) % 8]).astype(int) for k in (0, 2, 4, 6)) for side in (1, -1)]
    fewest = np.minimum(*pairs)
    either = (crossings == 1) & (fewest >= 2) & (fewest <= 3)
    return either & ~((x[1] | x[2] | ~x[7]) & x[0]), either & ~((x[5] | x[6] | ~x[3]) & x[4])


REMOVABLE = _removable(np.arange(256))


def thinned(edges: Bools) -> Bools:
    """Edges (H, W) one pixel wide, by the parallel thinning of Guo & Hall (1989), repeated until nothing changes.

    This is the `thin` of MATLAB's `bwmorph`, which the benchmark calls (Lam, Lee & Suen, 1992, page 879).

    >>> thinned(np.ones((3, 5), bool)).astype(int).tolist()
    [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    """
    padded = np.pad(edges, 1)
    flat, width = padded.ravel(), padded.shape[1]
    steps = [row * width + column for row, column in AROUND]
    places = np.flatnonzero(flat)
    changed = True
    while changed:
        changed = False
        for removable in REMOVABLE:
            code = np.zeros(len(places), np.uint8)
            for bit, step in enumerate(steps):
                code |= flat[places + step].view(np.uint8) << np.uint8(bit)
            gone = removable[code]
            flat[places[gone]] = False
            places = places[~gone]
            changed |= bool(gone.any())
    thin: Bools = padded[1:-1, 1:-1]
    return thin
