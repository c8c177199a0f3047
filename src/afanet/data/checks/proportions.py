"""Images whose proportions stretching would change."""

from __future__ import annotations

from collections.abc import Mapping

from afanet.data.sample import Data
from afanet.data.steps import zooms

MOST = 1.1  # times as wide for its height, up to which no warning is given


def proportion_warnings(data: Data, sizes: Mapping[tuple[int, int], int]) -> list[str]:
    """A sentence where images are stretched whose proportions differ by more than a tenth, from `size` or one another.

    `sizes` counts images by their (H, W).

    >>> from afanet.data import open_data
    >>> rooms = open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1)
    >>> proportion_warnings(rooms, {(24, 32): 2, (49, 64): 1}), len(proportion_warnings(rooms, {(32, 24): 1}))
    ([], 1)
    """
    steps = zooms(data.train.transform)
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
