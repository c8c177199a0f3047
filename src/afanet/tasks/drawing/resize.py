"""Maps of numbers at another size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """A map (h, w) at `size` = (H, W): bilinear between the centres of its pixels, antialiased where it shrinks.

    >>> resize(np.float32([[0, 1]]), (1, 4)).tolist()
    [[0.0, 0.25, 0.75, 1.0]]
    """
    if values.shape == size:
        return values
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.array(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def unit(vectors: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Vectors scaled to length 1; a vector of length 0 stays as it is.

    >>> unit(np.float32([0, 3, 4]), axis=0).tolist()
    [0.0, 0.6000..., 0.8000...]
    """
    length = np.linalg.norm(vectors, axis=axis, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)
