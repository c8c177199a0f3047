"""Thin edges: non-maximum suppression of probabilities, and thinning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Map = NDArray[np.float64]
Bools = NDArray[np.bool_]

TRIANGLE = np.array([1, 2, 3, 4, 5, 4, 3, 2, 1]) / 25
MARGIN = 1.01  # a neighbour this many times as large as a pixel suppresses it
BORDER = 5  # width of the band, in pixels, in which probabilities fade
AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))  # x1 to x8, anticlockwise from east


def suppress(probability: Map) -> Map:
    """Non-maximum suppression: 0 where a neighbour across the edge is more than a hundredth larger, (H, W).

    With S the map smoothed by a triangle of radius 4, the direction across an edge is arctan(-sign(S_xy) S_yy / S_xx),
    as in Dollar & Zitnick's toolbox, which the usual evaluation calls. The two neighbours are a pixel away,
    interpolated bilinearly. Within 5 pixels of the border, the result fades to 0.

    >>> suppress(np.tile([0, 0.1, 0.2, 0.5, 0.9, 0.9, 0.5, 0.9, 0.5, 0.2, 0.1, 0], (12, 1)))[6].round(2).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.72, 0.9, 0.0, 0.72, 0.0, 0.0, 0.0, 0.0]
    """
    if min(probability.shape) < 3:
        return probability
    smooth = ndimage.convolve1d(ndimage.convolve1d(probability, TRIANGLE, 0), TRIANGLE, 1)
    in_y, in_x = np.gradient(smooth)
    (in_yy, in_xy), in_xx = np.gradient(in_y), np.gradient(in_x, axis=1)
    y, x = np.nonzero(probability)
    angle = np.arctan(-np.sign(in_xy) * in_yy / (in_xx + 1e-5))[y, x]
    dy, dx = np.sin(angle), np.cos(angle)
    sides = [ndimage.map_coordinates(probability, (y + s * dy, x + s * dx), order=1, mode="nearest") for s in (1, -1)]
    kept = probability[y, x] * MARGIN >= np.maximum(*sides)
    thin = np.zeros_like(probability)
    thin[y[kept], x[kept]] = probability[y[kept], x[kept]]
    fade = [np.minimum(np.arange(n), np.arange(n)[::-1]).clip(max=min(BORDER, n // 2)) for n in thin.shape]
    thin *= np.multiply.outer(*(each / max(1, each.max()) for each in fade))
    return thin


def _removable() -> tuple[Bools, Bools]:
    """Which pixels each of the two halves of a pass removes, by the code of their neighbours: bit k is x_{k+1}."""
    x = [(np.arange(256) >> k & 1).astype(bool) for k in range(8)]
    crossings = sum((~x[k] & (x[k + 1] | x[(k + 2) % 8])).astype(int) for k in (0, 2, 4, 6))
    pairs = [sum((x[k] | x[(k + side) % 8]).astype(int) for k in (0, 2, 4, 6)) for side in (1, -1)]
    fewest = np.minimum(*pairs)
    either = (crossings == 1) & (fewest >= 2) & (fewest <= 3)
    return either & ~((x[1] | x[2] | ~x[7]) & x[0]), either & ~((x[5] | x[6] | ~x[3]) & x[4])


REMOVABLE = _removable()


def thinned(edges: Bools) -> Bools:
    """Edges (H, W) one pixel wide, by the parallel thinning of Guo & Hall (1989), repeated until nothing changes.

    This is `bwmorph(edges, "thin", Inf)` of MATLAB, which the benchmark calls.

    >>> thinned(np.ones((3, 5), bool)).astype(int).tolist()
    [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    """
    padded = np.pad(np.ascontiguousarray(edges), 1).view(np.uint8)  # MATLAB stores arrays by columns
    flat, width = padded.ravel(), padded.shape[1]
    steps = [row * width + column for row, column in AROUND]
    places = np.flatnonzero(flat)
    settled = 0
    while settled < 2:
        for removable in REMOVABLE:
            code = np.zeros(len(places), np.uint8)
            for bit, step in enumerate(steps):
                code |= flat[places + step] << np.uint8(bit)
            gone = removable[code]
            flat[places[gone]] = 0
            places = places[~gone]
            settled = 0 if gone.any() else settled + 1
    thin: Bools = padded[1:-1, 1:-1].view(bool)
    return thin
