"""Estimates averaged over several views of the same photos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.inference.model import Estimates, Model
from afanet.photo import Pixels
from afanet.tasks.drawing.resize import resize
from afanet.tasks.kinds import KINDS


def average(model: Model, photos: Sequence[Pixels], flip: bool, scales: Sequence[float]) -> Estimates:
    """The mean of what the model estimates of photos at each scale, and of their mirror images with `flip`.

    Dense estimates are (B, C, *size) whatever the scales. As in training, a view s times as large shows the
    scene from s times as near: metres are multiplied by s, and a normal (x, y, z) is (x, y, z / s) at unit length
    again. A mirror negates x.
    """
    about = model.about
    views: dict[str, list[NDArray[np.float32]]] = {name: [] for name in about.tasks}
    for scale in scales:
        size = scaled(about.size, scale)
        images = np.stack([about.prepare(photo, size) for photo in photos])
        for mirrored in (False, True) if flip else (False,):
            estimates = model.estimate(np.ascontiguousarray(images[..., ::-1]) if mirrored else images)
            for name, meaning in about.tasks.items():
                views[name].append(_undo(estimates[name], meaning, about.size, size, mirrored))
    return {name: np.mean(estimates, axis=0, dtype=np.float32) for name, estimates in views.items()}


def scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """So many times a size, in whole pixels.

    >>> scaled((24, 32), 0.01)
    (1, 1)
    """
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _undo(
    estimate: NDArray[np.float32],
    meaning: dict[str, Any],
    base: tuple[int, int],
    size: tuple[int, int],
    mirrored: bool,
) -> NDArray[np.float32]:
    if estimate.ndim != 4:
        return estimate
    if mirrored:
        estimate = estimate[..., ::-1]
    scale = 1.0
    if size != base:
        scale = math.sqrt(size[0] / base[0] * size[1] / base[1])  # as rounded to pixels
        estimate = np.stack([[resize(channel, base) for channel in channels] for channels in estimate])
    return KINDS[meaning["kind"]].result_class.undo(estimate, mirrored, scale)
