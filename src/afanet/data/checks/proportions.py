"""Finds images whose proportions stretching would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from afanet.data.sample import Data
from afanet.data.steps import zooms

MOST = 1.1  # ratio of two proportions up to which there is no warning


def proportion_warnings(data: Data, splits: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence if images are stretched whose proportions differ from `size`, or from one another, by over a tenth.

    `splits` are the statistics of each split (see `SplitSums`), whose `sizes` count images by height and width.

    >>> from afanet.data import open_data
    >>> rooms = open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1)
    >>> proportion_warnings(rooms, {"train": {"sizes": {"24x32": 2, "49x64": 1}}})
    []
    >>> len(proportion_warnings(rooms, {"train": {"sizes": {"24x32": 2}}, "test": {"sizes": {"32x24": 1}}}))
    1
    """
    steps = zooms(data.train.transform)
    sizes = Counter[tuple[int, int]]()
    for statistics in splits.values():
        for size, count in statistics["sizes"].items():
            rows, columns = map(int, size.split("x"))
            sizes[rows, columns] += count
    if not steps or steps[0].resize != "stretch" or not sizes:
        return []
    height, width = steps[0].size
    away = {size: max(ratio := size[1] / size[0] * height / width, 1 / ratio) for size in sizes}
    ratios = [1.0, *(size[1] / size[0] * height / width for size in sizes)]
    if max(ratios) / min(ratios) <= MOST:
        return []
    furthest = max(away, key=lambda size: away[size])
    changed = sum(count for size, count in sizes.items() if away[size] > 1.01)
    return [
        f"{changed} of {sum(sizes.values())} images have other proportions than data.size, {height}x{width}, such as "
        f"{furthest[0]}x{furthest[1]}, and are stretched to it: set data.resize to letterbox or crop to keep shapes"
    ]
