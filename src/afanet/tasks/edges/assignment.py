"""The cheapest assignment of predicted to true edge pixels, kept up to date while predicted pixels come and go."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from math import dist, inf

import numpy as np
from numpy.typing import NDArray

from afanet.tasks.edges.matching import FREE, within_reach

OUTLIER = 100  # what a predicted and a true pixel without a match cost together, in units of the reach d


class Assignment:
    """The matching of least cost between the predicted pixels that are present and the true pixels within their reach.

    A pair costs its distance, and a pixel without a match costs h = 50 d, where d is the reach. With n predicted and m
    true pixels, k pairs whose distances sum to c cost c + 50 d (n + m - 2 k). The cost in the benchmark is larger by
    50 d (n + m), whatever is matched: its outliers pair with each other (Martin, Fowlkes & Malik, TPAMI 2004).

    Each pixel x has a potential u(x) <= h, with u(i) + u(j) <= |i - j| for all i and j within reach. So no matching
    costs less than the sum of all potentials. This one costs exactly that sum, since u(i) + u(j) = |i - j| for its
    pairs and u(x) = h for pixels without a match: it is the cheapest. A pixel that comes is matched along a shortest
    alternating path, which preserves these equations (the Hungarian method; Kuhn 1955, Edmonds & Karp 1972).

    Args:
        predicted: (H, W), all pixels that may come; none is present at first.
        truth: (H, W).
        reach: d in pixels.

    >>> assignment = Assignment(np.array([[True, True, False]]), np.array([[False, True, False]]), reach=2)
    >>> assignment.add([0]), assignment.truth_of  # pixels are numbered row by row
    (None, [0, -1])
    >>> assignment.add([1]), assignment.truth_of, assignment.size  # the nearer one
    (None, [-1, 0], 1)
    """

    def __init__(self, predicted: NDArray[np.bool_], truth: NDArray[np.bool_], reach: float) -> None:
        places, true_places = np.argwhere(predicted).tolist(), np.argwhere(truth).tolist()
        self.truths = truths = len(true_places)  # true pixels are numbered first
        self._near: list[list[tuple[int, float]]] = [[] for _ in range(truths + len(places))]
        for number, each in enumerate(within_reach(predicted, truth, reach)):
            for true in each:
                distance = dist(places[number], true_places[true])
                self._near[truths + number].append((true, distance))
                self._near[true].append((truths + number, distance))
        self._unmatched = OUTLIER * reach / 2
        self._potential = [self._unmatched] * len(self._near)
        self._mate = [FREE] * len(self._near)
        self._present = [number < truths for number in range(len(self._near))]
        self.size = 0

    @property
    def truth_of(self) -> list[int]:
        """The number of the true pixel of each predicted one, -1 without a match."""
        return self._mate[self.truths :]

    def add(self, predicted: Iterable[int]) -> None:
        """Add predicted pixels, by number."""
        for number in predicted:
            self._present[self.truths + number] = True
            self._insert(self.truths + number)

    def remove(self, predicted: Iterable[int]) -> None:
        """Take predicted pixels away, by number."""
        for number in predicted:
            pixel = self.truths + number
            self._present[pixel] = False
            true = self._mate[pixel]
            if true != FREE:
                self._mate[pixel] = self._mate[true] = FREE
                self.size -= 1
                self._insert(true)

    def _insert(self, pixel: int) -> None:
        """Match a pixel of either side along a shortest alternating path, or leave it without a match.

        The length of a step is its distance less the potentials at both ends. Only first steps may be negative, so
        Dijkstra's algorithm finds a shortest path.
        """
        potential, mate = self._potential, self._mate
        potential[pixel] = 0.0
        length, last = inf, FREE  # of the shortest path so far, and the pixel of the other side that ends it
        settled: dict[int, float] = {}
        came_by: dict[int, int] = {}
        reached: dict[int, float] = {}
        queue = [(0.0, pixel)]
        while queue and queue[0][0] < length:
            base, at = heappop(queue)
            if at in settled:
                continue
            settled[at] = base
            if (total := base + self._unmatched - potential[at]) < length:
                length, last = total, mate[at]
            for other, distance in self._near[at]:
                if not self._present[other] or mate[other] in settled:
                    continue
                total = base + distance - potential[at] - potential[other]
                if total < length and total < reached.get(other, inf):
                    reached[other], came_by[other] = total, at
                    if mate[other] == FREE:
                        length, last = total, other
                    else:
                        heappush(queue, (total, mate[other]))
        for at, base in settled.items():
            potential[at] += length - base
            if mate[at] != FREE:
                potential[mate[at]] -= length - base
        self._flip(last, came_by)

    def _flip(self, last: int, came_by: dict[int, int]) -> None:
        """Exchange the pairs along a path for those between them, from its last pixel to its first."""
        if last == FREE:
            return
        if self._mate[last] == FREE:
            self.size += 1
        else:
            self._mate[self._mate[last]] = FREE
        while last != FREE:
            at = came_by[last]
            self._mate[last], self._mate[at], last = at, last, self._mate[at]
