"""Masks that may overlap as one picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NOTHING = 235  # the grey of a pixel at which every label is off


def blended(masks: NDArray[np.int8], colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Masks (L, H, W) as (H, W, 3): the mean of the `colours` of the labels that are on at a pixel.

    Light grey where none is on; black where no label is known.

    >>> colours = np.uint8([[200, 0, 0], [0, 100, 0]])
    >>> blended(np.int8([[[1, 1, 0, -1]], [[0, 1, -1, -1]]]), colours)[0].tolist()
    [[200, 0, 0], [100, 50, 0], [235, 235, 235], [0, 0, 0]]
    """
    total = np.zeros((*masks.shape[1:], 3), np.float32)
    count = np.zeros((*masks.shape[1:], 1), np.float32)
    known = np.zeros(masks.shape[1:], bool)
    for mask, colour in zip(masks, colours, strict=True):  # one at a time: all at once may be gigabytes
        on = mask == 1
        total[on] += colour
        count[on] += 1
        known |= mask >= 0
    picture: NDArray[np.uint8] = (total / np.maximum(count, 1)).round().astype(np.uint8)
    picture[(count[..., 0] == 0) & known] = NOTHING
    return picture
