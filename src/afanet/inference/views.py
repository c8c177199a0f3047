"""Estimates averaged over several views of the same photos."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.framing import Box, framing
from afanet.inference.model import Model
from afanet.photo import Pixels
from afanet.tasks.drawing.resize import resize
from afanet.tasks.kinds import KINDS
from afanet.tasks.sides import swapped_order


def average(
    model: Model, photos: Sequence[Pixels], flip: bool, scales: Sequence[float], alone: bool = False
) -> dict[str, list[NDArray[np.float32]]]:
    """For each photo, the mean of the model's estimates over the scales and, with `flip`, over its mirror image.

    With `alone`, only the mirror image is estimated, and the estimates are mirrored back.

    A dense estimate is (C, H, W) at the network's own size, cut to the part that the photo fills, whatever the scales.
    As in training, a view s times as large shows the scene from s times as near: metres are multiplied by s, and a
    normal (x, y, z) becomes (x, y, z / s), scaled to unit length. A mirror negates x and swaps the sides of classes.
    """
    about = model.about
    views: dict[str, list[list[NDArray[np.float32]]]] = {name: [[] for _ in photos] for name in about.tasks}
    sides = (True,) if alone else (False, True) if flip else (False,)
    for scale in scales:
        size = scaled(about.size, scale)
        images = np.stack([about.prepare(photo, size) for photo in photos])
        for mirrored in sides:
            estimates = model.estimate(np.ascontiguousarray(images[..., ::-1]) if mirrored else images)
            for name, meaning in about.tasks.items():
                for photo, estimate, kept in zip(photos, estimates[name], views[name], strict=True):
                    shape = (photo.shape[0], photo.shape[1])
                    view, base = (framing(shape, side, about.resize).filled for side in (size, about.size))
                    kept.append(_undo(estimate, meaning, size, base, view, mirrored))
    return {name: [np.mean(kept, axis=0, dtype=np.float32) for kept in of_photos] for name, of_photos in views.items()}


def scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """A size times `scale`, in whole pixels.

    >>> scaled((24, 32), 0.01)
    (1, 1)
    """
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _undo(
    estimate: NDArray[np.float32],
    meaning: Mapping[str, Any],
    of: tuple[int, int],
    base: Box,
    view: Box,
    mirrored: bool,
) -> NDArray[np.float32]:
    """Turns an estimate of one view into an estimate of the photo in `base`.

    The view has the size `of`, and the photo fills its part `view`.
    """
    kind = KINDS[meaning["kind"]].result_class
    if mirrored and (swap := meaning.get("swap")):
        estimate = estimate[swapped_order(len(estimate), swap)]
    if estimate.ndim != 3:
        return kind.of_view(meaning, estimate, mirrored, of, view)
    if mirrored:
        estimate = estimate[..., ::-1]
    estimate = estimate[..., *view.slices]
    scale = 1.0
    if (size := (base.height, base.width)) != (view.height, view.width):
        scale = math.sqrt(view.height / base.height * view.width / base.width)  # of the sizes in whole pixels
        estimate = np.stack([resize(channel, size) for channel in estimate])
    undone: NDArray[np.float32] = kind.undo_meant(meaning, estimate[None], mirrored, scale)[0]
    return undone
