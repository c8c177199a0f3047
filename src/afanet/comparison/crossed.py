"""How certain a mean over seeds is if all seeds are scored on the same images: seeds and images are crossed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Crossed(NamedTuple):
    """A mean difference over seeds and images, and the two parts of its variance, as arrays of one shape.

    Args:
        mean: the mean over the seeds.
        seeds: the part of the mean's variance that more seeds reduce, including the interaction of seeds and images.
        images: the part that only more test images reduce.
        df: the degrees of freedom of their sum.
    """

    mean: Array
    seeds: Array
    images: Array
    df: Array

    @property
    def variance(self) -> Array:
        """The variance of the mean."""
        return self.seeds + self.images


def crossed(differences: ArrayLike, left_out: ArrayLike) -> Crossed:
    """The variance components of a mean difference, in a two-way random-effects model.

    Of S seeds and G blocks of images, d[s, g] = delta + a[s] + b[g] + e[s, g], all random. With s² the variance
    between the seeds' differences and J the jackknife's variance over blocks of images (Tukey 1958, (G - 1) / G times
    the sum of squares), the parts of the mean's variance are

    - seeds: V_s = s² / S, which contains the interaction e once
    - images: V_i = max(0, J(mean over seeds) - V_e), with V_e = max(0, mean J(one seed) - J(mean)) / (S - 1), since J
      contains e as well

    and 1 / df = w / (S - 1) + (1 - w) / (G - 1) with w = V_s / (V_s + V_i). Satterthwaite (1946) squares w and 1 - w. A
    few seeds may give a small s² by chance, which lowers the variance and raises his df: 95 % intervals over three
    seeds then cover 92 %. Without the squares, they cover 94 to 97 % (benchmarks/coverage_of_intervals.py).

    Args:
        differences: (..., S) over all images, at least two seeds.
        left_out: (..., S, G) the differences without each block of images, at least two blocks.

    >>> found = crossed([1.0, 3.0], [[1.0, 1.0], [3.0, 3.0]])  # images do not matter: it is Student's t over the seeds
    >>> [float(each) for each in found]
    [2.0, 1.0, 0.0, 1.0]
    """
    each, without = np.asarray(differences, np.float64), np.asarray(left_out, np.float64)
    count, blocks = without.shape[-2:]
    seeds = each.var(-1, ddof=1) / count
    of_mean = _jackknife(without.mean(-2))
    together = np.maximum(0, _jackknife(without).mean(-1) - of_mean) / (count - 1)
    images = np.maximum(0, of_mean - together)
    total = seeds + images
    share = np.divide(seeds, total, out=np.ones_like(total), where=total > 0)
    return Crossed(each.mean(-1), seeds, images, degrees_of_freedom(share, count, blocks))


def degrees_of_freedom(share: ArrayLike, seeds: int, blocks: int) -> Array:
    """The degrees of freedom of a variance whose `share`, 0 to 1, comes from seeds, the rest from blocks of images.

    >>> round(float(degrees_of_freedom(0.5, 3, 101)), 2)
    3.92
    """
    share = np.asarray(share, np.float64)
    return np.asarray(1 / (share / (seeds - 1) + (1 - share) / (blocks - 1)))


def _jackknife(left_out: Array) -> Array:
    """The variance (...) of a score from its values (..., G) without each block."""
    return np.asarray((left_out.shape[-1] - 1) * left_out.var(-1))
