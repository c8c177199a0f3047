"""A largest matching of predicted and true edge pixels, kept up to date while predicted pixels come and go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

FREE = -1


def within_reach(predicted: NDArray[np.bool_], truth: NDArray[np.bool_], reach: float) -> list[list[int]]:
    """For each predicted pixel the true ones within `reach` pixels, the nearest first.

    Pixels are numbered row by row, in the order in which the maps (H, W) hold them.

    >>> within_reach(np.array([[False, True, True]]), np.array([[True, True, False]]), reach=1)
    [[1, 0], [1]]
    """
    pad = min(int(reach), max(truth.shape))
    rows, columns = np.indices((2 * pad + 1, 2 * pad + 1)).reshape(2, -1) - pad
    square = rows**2 + columns**2
    steps = [step for step in np.argsort(square, kind="stable") if square[step] <= reach**2]
    numbers = np.full(predicted.shape, FREE, np.int32)
    numbers[predicted] = np.arange(np.count_nonzero(predicted))
    numbers, width = np.pad(numbers, pad, constant_values=FREE), predicted.shape[1] + 2 * pad
    centres = np.flatnonzero(np.pad(truth, pad))
    near: list[NDArray[np.int32]] = []
    far: list[NDArray[np.intp]] = []
    for step in steps:
        found = numbers.ravel()[centres + rows[step] * width + columns[step]]
        far.append(np.flatnonzero(found != FREE))
        near.append(found[far[-1]])
    by_predicted = np.concatenate(near)
    order = np.argsort(by_predicted, kind="stable")
    flat = np.concatenate(far)[order].tolist()
    ends = np.bincount(by_predicted, minlength=int(predicted.sum())).cumsum().tolist()
    return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]


class Matching:
    """A largest matching between the predicted pixels that are present and the true pixels within their reach.

    By Berge's theorem (1957), a matching is largest if no alternating path leads from an unmatched predicted pixel to a
    free true pixel. Two facts keep the searches for such paths short. First, when a search fails, all true pixels that
    it has seen are matched and lead only to each other: they are marked `taken`, and later searches skip them. Second,
    a true pixel that is not taken is within reach of no unmatched predicted pixel, whose failed search would have taken
    it: when its match is removed, nothing has to be done.

    >>> matching = Matching([[0], [0, 1]], truths=2)
    >>> matching.add([1]), matching.size, matching.add([0]), matching.size
    (None, 1, None, 2)
    >>> matching.remove([1]), matching.size
    (None, 1)
    """

    def __init__(self, near: Sequence[Sequence[int]], truths: int) -> None:
        self.near = near
        self.reaching: list[list[int]] = [[] for _ in range(truths)]
        for number, each in enumerate(near):
            for truth in each:
                self.reaching[truth].append(number)
        self.present = [False] * len(near)
        self.truth_of = [FREE] * len(near)
        self.owner = [FREE] * truths
        self.size = 0
        self._taken = [False] * truths

    def add(self, predicted: Iterable[int]) -> None:
        """Add predicted pixels, by number."""
        for number in predicted:
            self.present[number] = True
            self._match(number)

    def remove(self, predicted: Iterable[int]) -> None:
        """Take predicted pixels away, by number."""
        for number in predicted:
            self.present[number] = False
            truth = self.truth_of[number]
            if truth != FREE:
                self.truth_of[number] = self.owner[truth] = FREE
                self.size -= 1
                if self._taken[truth]:
                    self._offer(truth)

    def _match(self, number: int) -> None:
        """Find a free true pixel for a predicted one, along a shortest alternating path."""
        near, owner, taken = self.near, self.owner, self._taken
        came_by: dict[int, int] = {}
        queue = [number]
        for at in queue:
            for truth in near[at]:
                if taken[truth] or truth in came_by:
                    continue
                came_by[truth] = at
                if owner[truth] == FREE:
                    self.size += 1
                    while truth != FREE:
                        at = came_by[truth]
                        owner[truth], self.truth_of[at], truth = at, truth, self.truth_of[at]
                    return
                queue.append(owner[truth])
        for truth in came_by:
            taken[truth] = True

    def _offer(self, truth: int) -> None:
        """Find an unmatched predicted pixel for a true one; without one, true pixels seen are no longer taken."""
        leads_to: dict[int, int] = {}
        queue = [truth]
        for at in queue:
            for number in self.reaching[at]:
                if not self.present[number] or number in leads_to:
                    continue
                leads_to[number] = at
                if self.truth_of[number] == FREE:
                    self.size += 1
                    while number != FREE:
                        at = leads_to[number]
                        self.truth_of[number], self.owner[at], number = at, number, self.owner[at]
                    return
                queue.append(self.truth_of[number])
        for at in queue:
            self._taken[at] = False
