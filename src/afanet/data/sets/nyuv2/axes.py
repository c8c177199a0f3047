"""Which way the axes of a layout's normals point, told by comparing them with normals from its own depth."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations, product

import torch
from torch import Tensor

# The plain one first, and of equals the first is taken: where a scene says nothing of an axis, it stays as it is.
TURNS = [
    torch.diag(torch.tensor(signs))[list(order)]
    for order in permutations(range(3))
    for signs in product((1.0, -1.0), repeat=3)
]


def turn_between(pairs: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, float]:
    """The axes of one map of normals in terms of another's, and how well they then agree.

    `pairs` are maps (3, H, W) of the same scenes, 0, 0, 0 where not known: the given one and one in our axes. Of the 48
    ways to swap and mirror axes it is the one, (3, 3), that brings the given maps nearest to ours: the greatest sum of
    cosines; also returned is its mean, 1 for maps that agree everywhere.

    >>> ours = torch.nn.functional.normalize(torch.randn(3, 8, 8), dim=0)
    >>> turn, agreement = turn_between([(torch.stack([ours[0], -ours[2], -ours[1]]), ours)])
    >>> turn.tolist(), round(agreement, 3)
    ([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]], 1.0)
    """
    products, pixels = torch.zeros(3, 3), 0
    for given, ours in pairs:
        both = (given != 0).any(0) & (ours != 0).any(0)
        products += ours[:, both] @ given[:, both].T
        pixels += int(both.sum())
    best = max(TURNS, key=lambda turn: float((turn * products).sum()))
    return best, float((best * products).sum()) / max(pixels, 1)
