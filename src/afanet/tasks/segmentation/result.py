"""A class for every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.files import path_in, write_all
from afanet.tasks.drawing.draw import Pixels, swatches
from afanet.tasks.drawing.png import png
from afanet.tasks.drawing.resize import resize
from afanet.tasks.label import Bools, LabelFile
from afanet.tasks.meaning import COLOURS, NAMES, Check, colours_fault
from afanet.tasks.result import NOTEBOOK, DenseResult
from afanet.tasks.segmentation.ids import Ids, ids_in, mask_file
from afanet.tasks.segmentation.values import listed


@dataclass(frozen=True, eq=False)
class LabelMap(DenseResult):
    """The most probable class of each pixel, and its probability.

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
    def estimate_shape(cls, meaning: Mapping[str, Any]) -> tuple[int | None, ...]:
        """A probability of each class at each pixel."""
        return len(meaning["classes"]), None, None

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Decide from probabilities (C, h, w), resized to `size` first."""
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

    def as_target(self) -> NDArray[np.int64]:
        """Class numbers (H, W)."""
        return self.labels.astype(np.int64)

    @property
    def declaration(self) -> dict[str, Any]:
        """Its `classes`, numbered from 0, and the id that means `void`."""
        return {"classes": list(self.classes), "void": self.maps["labels"]}

    def confidence(self, mirror: Self | None = None) -> NDArray[np.float32]:
        """The probability of the class at each pixel."""
        return np.where(self.labels < len(self.classes), self.probability, np.float32(np.nan))

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> LabelFile:
        """A PNG of class ids: with the colours as its palette, or of 16 bits where an id is above 255."""
        labelled = self.labels < len(self.classes)
        if known is not None:
            labelled &= known
        ids = Ids.of(self.task, self.classes, declared or self.declaration)
        return mask_file(self.labels, labelled, ids, self.colours)

    def misfit(self, cell: str, file: Path, declared: Mapping[str, Any] = {}) -> str | None:
        """A file with ids of no class, or with an id 255 that may be a class or void."""
        ids = Ids.of(self.task, self.classes, declared or self.declaration)
        present = ids_in(file, ids)
        if not declared and len(present) == 2 and ids.void in present:
            return (
                f"it has the ids {listed(sorted(present))}, of which {ids.void} may be a class or mean void: declare "
                "the column in a recipe.yaml beside the table"
            )
        if not (strange := [number for number in present if number not in ids.known]):
            return None
        has = f"the {'colour' if ids.coloured else 'id'} {listed(strange[:1], ids.coloured)}"
        return f"it has {has}, and those of the teacher's classes are {ids.listed}"

    @property
    def shares(self) -> dict[str, float]:
        """For each class that occurs, its share of the photo's pixels; in the classes' order."""
        counts = self._counts() / self.labels.size
        return {name: float(share) for name, share in zip(self.classes, counts, strict=True) if share}

    def _counts(self) -> NDArray[np.integer]:
        return np.bincount(self.labels.ravel(), minlength=len(self.classes))[: len(self.classes)]

    def picture(self) -> Pixels:
        """The classes' colours, black where the network did not see the photo."""
        colours = np.concatenate([self.colours, np.zeros((1, 3), np.uint8)])
        picture: Pixels = colours[np.minimum(self.labels, np.uint16(len(self.classes)))]
        return picture

    def legend(self, width: int) -> Pixels:
        """The classes that occur, with their colours."""
        present = np.flatnonzero(self._counts())
        return swatches([self.classes[number] for number in present], self.colours[present].tolist(), width)

    def save(self, folder: str | Path, name: str) -> list[Path]:
        """`TASK/NAME.png`, whose pixels are the classes' numbers, and `TASK-palette/NAME.png` in colour.

        The second is a palette PNG with the same numbers, up to 256 classes. `TASK-legend.png` in `folder` has the
        colours of all classes.
        """
        folder = Path(folder)
        self.save_legend(folder, whole_legend(self.classes, self.colours.tobytes()))
        return write_all(
            {
                path_in(folder, self.task, f"{name}.png"): png(self.labels),
                path_in(folder, f"{self.task}-palette", f"{name}.png"): png(self._palette_picture()),
            }
        )

    def _palette_picture(self) -> Image.Image:
        if len(self.classes) > 256 or self.labels.max() > 255:  # 65535 where the network did not see the photo
            return Image.fromarray(self.picture())
        image = Image.fromarray(self.labels.astype(np.uint8))
        palette = self.colours
        if (self.labels >= len(self.classes)).any():  # 255 means not seen, here black
            palette = np.pad(palette, ((0, 256 - len(palette)), (0, 0)))
        image.putpalette(palette.tobytes())
        return image

    def __repr__(self) -> str:
        height, width = self.labels.shape
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())
        return f"LabelMap({self.task}, {height}x{width}: {shares})"


@lru_cache(maxsize=8)  # the same for all photos
def whole_legend(classes: tuple[str, ...], colours: bytes) -> Pixels:
    """All classes with their colours, three bytes each."""
    return swatches(classes, np.frombuffer(colours, np.uint8).reshape(-1, 3).tolist(), NOTEBOOK)
