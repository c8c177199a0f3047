"""The axes of a layout's normals, inferred by comparison with normals computed from its depth."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations, product

import torch
from torch import Tensor

# The identity comes first, and the first of equals wins: an axis that the scenes do not determine stays as it is.
TURNS = [
    torch.diag(torch.tensor(signs))[list(order)]
    for order in permutations(range(3))
    for signs in product((1.0, -1.0), repeat=3)
]


def turn_between(pairs: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, float]:
    """The turn from one map's axes of normals to ours, and how well the maps then agree.

    `pairs` are maps (3, H, W) of the same scenes, 0, 0, 0 where unknown: the layout's map and a map in our axes. Of the
    48 ways to swap and mirror axes, the result (3, 3) has the greatest sum of cosines between the turned maps and ours.
    The mean cosine is also returned; it is 1 if the maps agree everywhere.

    >>> ours = torch.nn.functional.normalize(torch.randn(3, 8, 8), dim=0)
    >>> turn, agreement = turn_between([(torch.stack([ours[0], -ours[2], -ours[1]]), ours)])
    >>> turn.tolist(), round(agreement, 3)
    ([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]], 1.0)
    """
    products, pixels = torch.zeros(3, 3), 0
    for theirs, ours in pairs:
        both = (theirs != 0).any(0) & (ours != 0).any(0)
        products += ours[:, both] @ theirs[:, both].T
        pixels += int(both.sum())
    best = max(TURNS, key=lambda turn: float((turn * products).sum()))
    return best, float((best * products).sum()) / max(pixels, 1)
