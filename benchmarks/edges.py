"""How long boundary scores take: one image at 425x560, all 99 thresholds, one process.

    python benchmarks/edges.py

Truths are the borders of random regions, and predictions the same borders moved, blurred and buried in noise. Each of
five annotators draws the borders moved in another way, and about half of them. Printed are the true pixels, those that
are left of the prediction at the lowest threshold, and the seconds of the processor.
"""

from __future__ import annotations

import time
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from afanet.tasks.edges.counts import count_edges
from afanet.tasks.edges.thin import thinned

SIZE = (425, 560)
DISTANCES = {"PASCAL": 0.0075, "NYUD": 0.011}


def borders(seed: int, smooth: float) -> NDArray[np.bool_]:
    """The borders, a pixel wide, of six levels of smoothed noise."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SIZE), smooth)
    level = np.digitize(noise, np.quantile(noise, [1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6]))
    edges = np.zeros(SIZE, bool)
    edges[:, :-1] |= level[:, :-1] != level[:, 1:]
    edges[:-1] |= level[:-1] != level[1:]
    return thinned(edges)


def moved(truth: NDArray[np.bool_], strength: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """The truth with each place moved by some pixels, as its neighbours are."""
    moves = strength * ndimage.gaussian_filter(rng.normal(size=(2, *SIZE)), (0, 6, 6))
    return np.asarray(ndimage.map_coordinates(truth.astype(float), np.indices(SIZE) + moves, order=1))


def predicted(truth: NDArray[np.bool_], noise: float, seed: int) -> NDArray[np.float64]:
    """Probabilities of edges: the truth moved by some pixels and blurred, and smoothed noise of this strength."""
    rng = np.random.default_rng(seed)
    blurred = ndimage.gaussian_filter(moved(truth, 40, rng), 1.5)
    logits = 14 * blurred + noise * ndimage.gaussian_filter(rng.normal(size=SIZE), 2) - 4
    return np.asarray(1 / (1 + np.exp(-logits)))


def annotated(truth: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """What another annotator draws: the truth moved by some pixels, about half of it."""
    rng = np.random.default_rng(seed)
    drawn = thinned(moved(truth, 30, rng) > 0.4)
    part = ndimage.gaussian_filter(rng.random(SIZE), 20)
    return drawn & (part > np.median(part))


def main() -> None:
    """A line for each density of edges, strength of noise, distance and number of annotators."""
    print(f"{'annotators':>10} {'distance':>8} {'noise':>5} {'true':>6} {'predicted':>9} {'seconds':>7}")
    for smooth in (40, 24):
        truth = borders(0, smooth)
        several = np.array([annotated(truth, seed) for seed in range(2, 7)])
        for noise, (name, distance) in product((2, 20), DISTANCES.items()):
            map_ = predicted(truth, noise, 1)
            for truths in (truth[None], several):
                start = time.process_time()
                counts = count_edges(map_, truths.astype(np.int8), distance)
                took = time.process_time() - start
                print(f"{len(truths):>10} {name:>8} {noise:>5} {counts[0, 1]:>6} {counts[0, 3]:>9} {took:>7.2f}")


if __name__ == "__main__":
    main()
