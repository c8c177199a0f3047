"""A direction for every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from afanet.files import path_in, write_whole
from afanet.inference.results.draw import Pixels, swatches
from afanet.inference.results.png import png
from afanet.inference.results.resize import resize, unit
from afanet.inference.results.result import Dense


@dataclass(frozen=True, eq=False)
class NormalMap(Dense):
    """Unit vectors out of the surface, `vectors` (H, W, 3) float32: x to the right, y up, z towards the camera.

    `directions` are named ones with their `colours`, (len(directions), 3) uint8.
    """

    task: str
    vectors: NDArray[np.float32]
    directions: tuple[str, ...]
    colours: NDArray[np.uint8]

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Resize (3, h, w) and bring every vector to length 1."""
        vectors = unit(np.stack([resize(part, size) for part in estimate], axis=-1), axis=-1)
        return cls(task, vectors, tuple(meaning["directions"]), np.array(meaning["colours"], np.uint8))

    def picture(self) -> Pixels:
        """x, y and z from -1 to 1 as 0 to 255 of red, green and blue."""
        return ((self.vectors.clip(-1, 1) + 1) / 2 * 255).round().astype(np.uint8)

    def legend(self, width: int) -> Pixels:
        """The colours of some directions."""
        return swatches(self.directions, self.colours.tolist(), width)

    def save(self, folder: str | Path, name: str) -> list[Path]:
        """`TASK/NAME.png`: a component is value / 127.5 - 1."""
        return [write_whole(path_in(Path(folder), self.task, f"{name}.png"), png(self.picture()))]

    def __repr__(self) -> str:
        height, width = self.vectors.shape[:2]
        return f"NormalMap({self.task}, {height}x{width})"
