"""A network that sees an image through overlapping windows of its training size."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.inference.model import About, Estimates, Model


class Windowed:
    """A model that covers each image with windows of (H, W), and averages the estimates of `model` over them.

    Neighbouring windows overlap by half of their length or more, in even steps from edge to edge. Each pixel of a map
    is the mean over the windows that see it. A value for the whole image is the mean over all windows.

    Raises `InputError` for a window larger than the model's images, and for a task that predicts points.
    """

    def __init__(self, model: Model, window: tuple[int, int]) -> None:
        (height, width), (rows, columns) = model.about.size, window
        if not (1 <= rows <= height and 1 <= columns <= width):
            raise InputError(
                f"the window is {rows}x{columns} pixels, expected at most data.size, {height}x{width}, over which it "
                "slides, and at least 1x1: give another one with --window"
            )
        for name, meaning in model.about.tasks.items():
            if meaning.get("points"):
                raise InputError(
                    f"task '{name}' gives points of the whole image, which no window sees: leave --window out"
                )
        self.model = model
        self.window = window
        self.about: About = model.about

    def estimate(self, images: NDArray[np.float32]) -> Estimates:
        """See `Model`."""
        (height, width), (rows, columns) = images.shape[-2:], self.window
        corners = list(product(starts(height, rows), starts(width, columns)))
        sums: dict[str, NDArray[Any]] = {}
        seen = np.zeros((height, width))
        for top, left in corners:
            part = (slice(top, top + rows), slice(left, left + columns))
            seen[part] += 1
            for name, estimates in self.model.estimate(np.ascontiguousarray(images[..., *part])).items():
                dense = estimates.ndim == 4
                if name not in sums:
                    sums[name] = np.zeros((*estimates.shape[:2], height, width) if dense else estimates.shape)
                sums[name][..., *part if dense else ()] += estimates
        # sums of doubles: the mean of equal numbers is exact
        return {
            name: (total / (seen if total.ndim == 4 else len(corners))).astype(np.float32)
            for name, total in sums.items()
        }


def starts(length: int, window: int) -> list[int]:
    """The starts of windows that cover a length in even steps of half a window or less.

    >>> starts(10, 4), starts(4, 4), starts(5, 4)
    ([0, 2, 4, 6], [0], [0, 1])
    """
    rest = length - window
    count = -(-rest // max(1, window // 2))
    return [number * rest // count for number in range(count + 1)] if count else [0]
