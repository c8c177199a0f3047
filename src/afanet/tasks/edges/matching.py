"""Pairs of predicted and true edge pixels: as many as possible, kept so while predicted pixels come and go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

FREE = -1


def within_reach(
    predicted: NDArray[np.intp], truth: NDArray[np.bool_], reach: float
) -> tuple[list[list[int]], NDArray[np.intp]]:
    """For each of the `predicted` pixels (N,) the numbers of the true ones within `reach` pixels, the nearest first.

    Pixels are counted along the rows of `truth` (H, W). Also where the true ones are, in the order of their numbers.

    >>> within_reach(np.array([1]), np.array([[True, False, False, True]]), reach=2)
    ([[0, 1]], array([0, 3]))
    """
    pad = int(reach)
    rows, columns = (axis.ravel() for axis in np.mgrid[-pad : pad + 1, -pad : pad + 1])
    square = rows**2 + columns**2
    nearest = np.argsort(square, kind="stable")
    nearest = nearest[square[nearest] <= reach**2]
    places = np.flatnonzero(truth)
    numbered = np.full(truth.shape, FREE, np.int32)
    numbered.ravel()[places] = np.arange(len(places))
    numbered = np.pad(numbered, pad, constant_values=FREE)
    at = np.add(*(np.array(np.unravel_index(predicted, truth.shape)) + pad) * np.array([[numbered.shape[1]], [1]]))
    around = numbered.ravel()[at[:, None] + (rows * numbered.shape[1] + columns)[nearest]]
    near = around != FREE
    ends = np.cumsum(near.sum(1)).tolist()
    flat = around[near].tolist()
    return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)], places


class Matching:
    """The largest matching between the predicted pixels that are present and the true pixels within their reach.

    A predicted pixel that comes is matched along a shortest alternating path to a free true pixel. If there is none,
    the true pixels that the search has seen are all taken for good, so no later search looks at them again, and all
    searches that fail take, together, the time of one look at each pair. Where a matched pixel goes, the true pixel
    that it leaves is offered along alternating paths to predicted pixels that have none. By Berge's theorem (1957) a
    matching without such a path is a largest one.

    >>> matching = Matching([[0], [0, 1]], truths=2)
    >>> matching.add([1]), matching.size, matching.add([0]), matching.size
    (None, 1, None, 2)
    >>> matching.remove([1]), matching.size
    (None, 1)
    """

    def __init__(self, near: Sequence[Sequence[int]], truths: int) -> None:
        self.near = near
        self.present = [False] * len(near)
        self.truth_of = [FREE] * len(near)
        self.owner = [FREE] * truths
        self.size = 0
        self._taken = [False] * truths  # and all that can be reached from here is, too
        self._seen = [0] * truths
        self._search = 0
        self._reaching: list[list[int]] | None = None

    def add(self, predicted: Iterable[int]) -> None:
        """Add predicted pixels, by number."""
        for number in predicted:
            self.present[number] = True
            self._match(number)

    def remove(self, predicted: Iterable[int]) -> None:
        """Take predicted pixels away."""
        for number in predicted:
            self.present[number] = False
            truth = self.truth_of[number]
            if truth != FREE:
                self.truth_of[number] = self.owner[truth] = FREE
                self.size -= 1
                self._offer(truth)

    def _match(self, number: int) -> None:
        """Find a free true pixel for a predicted one, the others moving up."""
        near, owner, taken, seen = self.near, self.owner, self._taken, self._seen
        self._search += 1
        search, came_by = self._search, {}
        queue = [number]
        for at in queue:
            for truth in near[at]:
                if taken[truth] or seen[truth] == search:
                    continue
                seen[truth] = search
                came_by[truth] = at
                if owner[truth] == FREE:
                    return self._move_up(truth, came_by)
                queue.append(owner[truth])
        for truth in came_by:
            taken[truth] = True

    def _move_up(self, truth: int, came_by: dict[int, int]) -> None:
        self.size += 1
        while truth != FREE:
            at = came_by[truth]
            self.owner[truth], self.truth_of[at], truth = at, truth, self.truth_of[at]

    def _offer(self, truth: int) -> None:
        """Find a predicted pixel without a match for a true one, the others moving up."""
        if self._reaching is None:
            self._reaching = [[] for _ in self.owner]
            for number, near in enumerate(self.near):
                for each in near:
                    self._reaching[each].append(number)
        leads_to: dict[int, int] = {}
        queue = [truth]
        for at in queue:
            for number in self._reaching[at]:
                if not self.present[number] or number in leads_to:
                    continue
                leads_to[number] = at
                if self.truth_of[number] == FREE:
                    return self._move_down(number, leads_to)
                queue.append(self.truth_of[number])
        for at in queue:
            self._taken[at] = False

    def _move_down(self, number: int, leads_to: dict[int, int]) -> None:
        self.size += 1
        while number != FREE:
            truth = leads_to[number]
            self.truth_of[number], self.owner[truth], number = truth, number, self.owner[truth]
