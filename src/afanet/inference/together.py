"""A photo and all results for it in one picture."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, sqrt

import numpy as np

from afanet.normalisation import as_picture
from afanet.tasks.drawing.draw import Pixels, fit, stack, title
from afanet.tasks.drawing.png import png
from afanet.tasks.result import PooledResult, Result

LEAST, MOST = 240, 480  # the width of one picture in pixels
COLUMNS = 4  # at most, unless there would be more rows than columns
GAP = 12


class Results(dict[str, Result]):
    """The results for one photo by task: a dict that draws itself at the end of a notebook's cell.

    Args:
        photo: the image (H, W, C) uint8 that the results are for.
        results: the result of each task by its name.

    >>> Results(np.zeros((48, 64, 3), np.uint8), {}).picture().shape
    (226, 264, 3)
    """

    def __init__(self, photo: Pixels, results: Mapping[str, Result]) -> None:
        super().__init__(results)
        self.photo = photo

    def picture(self) -> Pixels:
        """The photo and all results with their legends in one picture, (H, W, 3) uint8 RGB; see `side_by_side`."""
        return side_by_side(self.photo, self)

    def _repr_html_(self) -> str:
        """The picture, no wider than its window, with the results in words for those who cannot see it."""
        words = escape("; ".join(["photo", *map(str, self.values())]))
        encoded = b64encode(png(self.picture())).decode()
        return f'<img alt="{words}" src="data:image/png;base64,{encoded}" style="max-width: 100%">'


def side_by_side(photo: Pixels, results: Mapping[str, Result]) -> Pixels:
    """One picture with the image (H, W, C), the dense results with their legends, and the other results in words.

    Points are drawn on the photo. `as_picture` shows images with other channels.
    """
    wide = max(LEAST, min(MOST, photo.shape[1]))
    shown = fit(as_picture(photo), wide)
    for result in results.values():
        shown = result.marked(shown) if isinstance(result, PooledResult) else shown
    cells = [stack([title("photo", wide), shown])]
    cells += [
        stack([title(task, wide), result.figure(wide)])
        for task, result in results.items()
        if not isinstance(result, PooledResult)
    ]
    if in_words := [result.figure(wide) for result in results.values() if isinstance(result, PooledResult)]:
        cells.append(stack(in_words))
    across = columns(len(cells))
    whole = stack([_row(cells[start : start + across]) for start in range(0, len(cells), across)])
    return np.pad(whole, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


def columns(cells: int) -> int:
    """The number of columns for so many pictures: few make one row, many about a square, with rows equally full.

    >>> [columns(cells) for cells in (1, 4, 5, 7, 9, 13, 40)]
    [1, 4, 3, 4, 3, 4, 7]
    """
    rows = ceil(cells / max(COLUMNS, ceil(sqrt(cells))))
    return ceil(cells / rows)


def _row(cells: Sequence[Pixels]) -> Pixels:
    most = max(len(cell) for cell in cells)
    padded = [np.pad(cell, ((GAP, most - len(cell)), (GAP, 0), (0, 0)), constant_values=255) for cell in cells]
    return np.concatenate(padded, axis=1)
