"""What every result can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.inference.results.draw import Pixels, fit, stack
from afanet.inference.results.png import png

NOTEBOOK = 480  # width of a picture in a notebook, pixels


class Result(ABC):
    """What a network says of one photo for one `task`."""

    task: str

    @classmethod
    @abstractmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """The result that an estimate decides, for a photo of `size`."""

    @abstractmethod
    def picture(self) -> Pixels:
        """The result drawn, (H, W, 3) uint8 RGB: dense ones at the photo's size, without a legend."""

    @abstractmethod
    def figure(self, width: int) -> Pixels:
        """The picture so many pixels wide, with what its colours mean below it; narrow ones on white."""

    @abstractmethod
    def save(self, folder: str | Path, name: str) -> list[Path]:
        """Write files called `name` into folders of `folder` that are called as the task, and return their paths."""


class Dense(Result):
    """A result with a value for every pixel of the photo."""

    resampling = Image.Resampling.BILINEAR  # of pictures alone

    @abstractmethod
    def legend(self, width: int) -> Pixels:
        """What the picture's colours mean, so many pixels wide."""

    def figure(self, width: int) -> Pixels:
        """The picture so many pixels wide, with its legend."""
        return stack([fit(self.picture(), width, self.resampling), self.legend(width)])

    def _repr_png_(self) -> bytes:
        return png(self.figure(NOTEBOOK))
