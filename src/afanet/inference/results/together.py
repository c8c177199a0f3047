"""A photo and everything that is said of it in one picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from afanet.inference.results.draw import Pixels, fit, stack, title
from afanet.inference.results.pooled import Pooled
from afanet.inference.results.result import Result

LEAST, MOST = 240, 480  # width of one picture, pixels
GAP = 12


def side_by_side(photo: Pixels, results: Mapping[str, Result]) -> Pixels:
    """The photo (H, W, 3), the dense results with their legends, and the others in words in one column."""
    wide = max(LEAST, min(MOST, photo.shape[1]))
    cells = [stack([title("photo", wide), fit(photo, wide)])]
    cells += [
        stack([title(task, wide), result.figure(wide)])
        for task, result in results.items()
        if not isinstance(result, Pooled)
    ]
    if said := [result.figure(wide) for result in results.values() if isinstance(result, Pooled)]:
        cells.append(stack(said))
    most = max(len(cell) for cell in cells)
    padded = [np.pad(cell, ((GAP, GAP + most - len(cell)), (GAP, 0), (0, 0)), constant_values=255) for cell in cells]
    whole = np.concatenate(padded, axis=1)
    return np.pad(whole, ((0, 0), (0, GAP), (0, 0)), constant_values=255)
