"""A class for every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.files import path_in, write_whole
from afanet.tasks.drawing.draw import Pixels, legend_width, stack, swatches
from afanet.tasks.drawing.png import png
from afanet.tasks.drawing.resize import resize
from afanet.tasks.meaning import COLOURS, NAMES, Check, colours_fault
from afanet.tasks.result import DenseResult

GREYS = 16  # of the letters in a palette


@dataclass(frozen=True, eq=False)
class LabelMap(DenseResult):
    """The most probable class of each pixel, and how probable it is.

    `labels` is (H, W), uint8, or uint16 where there are more than 256 `classes`; `probability` (H, W) float32, 0 to 1,
    is that of the class; `colours` is (len(classes), 3) uint8. Where the network did not see the photo, labels
    are the largest number of their type, and the probability is 0.
    """

    task: str
    labels: NDArray[np.unsignedinteger]
    probability: NDArray[np.float32]
    classes: tuple[str, ...]
    colours: NDArray[np.uint8]

    expected: ClassVar[Mapping[str, Check]] = {"classes": NAMES, "colours": COLOURS}
    reads = "the probability of each class at each pixel"
    resampling = Image.Resampling.NEAREST

    @classmethod
    def meaning_fault(cls, meaning: Mapping[str, Any]) -> str | None:
        """See `Result`; each class has a colour."""
        return super().meaning_fault(meaning) or colours_fault(meaning["classes"], meaning["colours"])

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Decide by probabilities (C, h, w), each resized to `size` first."""
        classes = tuple(meaning["classes"])
        labels = np.zeros(size, np.uint8 if len(classes) <= 256 else np.uint16)
        best = resize(estimate[0], size).copy()
        for number in range(1, len(classes)):  # one at a time: all at once may be gigabytes
            probability = resize(estimate[number], size)
            better = probability > best
            labels[better], best[better] = number, probability[better]
        return cls(task, labels, best, classes, np.array(meaning["colours"], np.uint8))

    @property
    def maps(self) -> dict[str, int]:
        """See `DenseResult`."""
        return {"labels": 255 if len(self.classes) <= 255 else 65_535, "probability": 0}

    @property
    def shares(self) -> dict[str, float]:
        """The share of the photo's pixels of each class that occurs, in the classes' order."""
        counts = self._counts() / self.labels.size
        return {name: float(share) for name, share in zip(self.classes, counts, strict=True) if share}

    def _counts(self) -> NDArray[np.integer]:
        return np.bincount(self.labels.ravel(), minlength=len(self.classes))[: len(self.classes)]

    def picture(self) -> Pixels:
        """The classes' colours, black where the network did not see the photo."""
        colours = np.concatenate([self.colours, np.zeros((1, 3), np.uint8)])
        picture: Pixels = colours[np.minimum(self.labels, len(self.classes))]
        return picture

    def legend(self, width: int) -> Pixels:
        """The classes that occur, with their colours."""
        present = np.flatnonzero(self._counts())
        return swatches([self.classes[number] for number in present], self.colours[present].tolist(), width)

    def save(self, folder: str | Path, name: str) -> list[Path]:
        """`TASK/NAME.png`, whose pixels are the classes' numbers, and `TASK-palette/NAME.png` in colour.

        The second has the legend below the map; up to 240 classes it is a palette PNG, and its numbers the same.
        """
        folder = Path(folder)
        return [
            write_whole(path_in(folder, self.task, f"{name}.png"), png(self.labels)),
            write_whole(path_in(folder, f"{self.task}-palette", f"{name}.png"), png(self._palette_picture())),
        ]

    def _palette_picture(self) -> Image.Image:
        legend = self.legend(legend_width(*self.labels.shape))
        if len(self.classes) > 256 - GREYS:
            return Image.fromarray(stack([self.picture(), legend]))
        greys = np.linspace(0, 255, GREYS).round().astype(np.uint8)[:, None].repeat(3, 1)
        palette = np.concatenate([self.colours, greys])
        below = nearest(legend, palette)
        height, width = self.labels.shape
        whole = np.full((height + len(below), max(width, below.shape[1])), len(palette) - 1, np.uint8)
        whole[:height, :width], whole[height:, : below.shape[1]] = self.labels, below
        image = Image.fromarray(whole)
        if (self.labels >= len(self.classes)).any():  # which is 255, here black
            palette = np.pad(palette, ((0, 256 - len(palette)), (0, 0)))
        image.putpalette(palette.tobytes())
        return image

    def __repr__(self) -> str:
        height, width = self.labels.shape
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())
        return f"LabelMap({self.task}, {height}x{width}: {shares})"


def nearest(pixels: Pixels, palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The index in a palette (N, 3) of the colour nearest to each of the pixels (H, W, 3).

    >>> nearest(np.uint8([[[250, 0, 9], [3, 3, 3]]]), np.uint8([[0, 0, 0], [255, 0, 0]])).tolist()
    [[1, 0]]
    """
    # As numbers, which sort many times faster than rows of three.
    codes = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    unique_codes, indices = np.unique(codes, return_inverse=True)
    colours = np.stack([unique_codes >> 16, unique_codes >> 8 & 255, unique_codes & 255], axis=-1)
    distances = np.stack([((colours - colour) ** 2).sum(1) for colour in palette.astype(np.int32)])
    nearest: NDArray[np.uint8] = distances.argmin(0).astype(np.uint8)[indices].reshape(codes.shape)
    return nearest
