"""Masks that may overlap, one for each label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.files import path_in, write_all
from afanet.tasks.drawing.draw import Pixels, swatches
from afanet.tasks.drawing.png import png
from afanet.tasks.drawing.resize import resize
from afanet.tasks.label import Bools, LabelFile, listed, npy
from afanet.tasks.meaning import COLOURS, NAMES, Check, colours_fault
from afanet.tasks.multi_label_segmentation.blend import blended
from afanet.tasks.result import NOTEBOOK, DenseResult


@dataclass(frozen=True, eq=False)
class Masks(DenseResult):
    """The labels of each pixel, decided independently.

    `on` is (H, W, L) int8, 1 where a label is more probable than not; `certainty` (H, W) float32, 0.5 to 1, is that of
    the least certain label; `colours` is (len(labels), 3) uint8. Where the network did not see the photo, `on` is -1,
    and the certainty 0.
    """

    task: str
    on: NDArray[np.int8]
    certainty: NDArray[np.float32]
    labels: tuple[str, ...]
    colours: NDArray[np.uint8]

    expected: ClassVar[Mapping[str, Check]] = {"labels": NAMES, "colours": COLOURS}
    reads = "the probability of each label at each pixel"

    @classmethod
    def meaning_fault(cls, meaning: Mapping[str, Any]) -> str | None:
        """See `Result`; each label has a colour."""
        return super().meaning_fault(meaning) or colours_fault(meaning["labels"], meaning["colours"])

    @classmethod
    def estimate_shape(cls, meaning: Mapping[str, Any]) -> tuple[int | None, ...]:
        """A probability of each label at each pixel."""
        return len(meaning["labels"]), None, None

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Decide for each label from probabilities (L, h, w), resized to `size` first."""
        labels = tuple(meaning["labels"])
        on, certainty = np.zeros((*size, len(labels)), np.int8), np.ones(size, np.float32)
        for number in range(len(labels)):  # one at a time: all at once may be gigabytes
            probability = resize(estimate[number], size)
            on[..., number] = probability > 0.5
            certainty = np.minimum(certainty, np.maximum(probability, 1 - probability))
        return cls(task, on, certainty, labels, np.array(meaning["colours"], np.uint8))

    @property
    def maps(self) -> dict[str, float]:
        """See `DenseResult`."""
        return {"on": -1, "certainty": 0}

    def as_target(self) -> NDArray[np.int8]:
        """Masks (L, H, W)."""
        return np.ascontiguousarray(self.on.transpose(2, 0, 1))

    @property
    def declaration(self) -> dict[str, Any]:
        """Its `labels`."""
        return {"labels": list(self.labels)}

    def confidence(self, mirror: Self | None = None) -> NDArray[np.float32]:
        """The smallest of max(p, 1 - p) over the probabilities p of the labels at each pixel."""
        return np.where((self.on >= 0).all(2), self.certainty, np.float32(np.nan))

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> LabelFile:
        """A `.npy` (L, H, W) of int16, in the order of the column's labels: 0 is off, 255 on, and -1 not known."""
        order = [self.labels.index(name) if name in self.labels else -1 for name in declared.get("labels", self.labels)]
        if strange := set(self.labels) - set(declared.get("labels", self.labels)):
            raise InputError(
                f"the teacher's task '{self.task}' has the label '{min(strange)}', but its column is declared with "
                f"{listed(declared['labels'])}: use a teacher with the same labels, or leave the task out with --tasks"
            )
        on = np.where(self.on == 1, np.int16(255), self.on.astype(np.int16))
        if known is not None:
            on[~known] = -1
        masks = np.concatenate([on, np.full((*on.shape[:2], 1), -1, np.int16)], axis=2)[..., order]
        return LabelFile(".npy", npy(np.ascontiguousarray(masks.transpose(2, 0, 1))))

    @property
    def shares(self) -> dict[str, float]:
        """For each label that occurs, the share of the photo's pixels at which it is on."""
        counts = (self.on == 1).sum((0, 1)) / self.certainty.size
        return {name: float(share) for name, share in zip(self.labels, counts, strict=True) if share}

    def picture(self) -> Pixels:
        """The labels' colours, blended where masks overlap; light grey where none is on, black where not seen."""
        return blended(self.on.transpose(2, 0, 1), self.colours)

    def legend(self, width: int) -> Pixels:
        """The labels that occur, with their colours."""
        present = [number for number, name in enumerate(self.labels) if name in self.shares]
        return swatches([self.labels[number] for number in present], self.colours[present].tolist(), width)

    def save(self, folder: str | Path, name: str) -> list[Path]:
        """`TASK/LABEL/NAME.png`, 255 where the label is on, and `TASK-colours/NAME.png`.

        In a manifest, `TASK/{label}/NAME.png` names these masks. `TASK-legend.png` in `folder` has the colours of all
        labels.
        """
        folder = Path(folder)
        self.save_legend(folder, swatches(self.labels, self.colours.tolist(), NOTEBOOK))
        masks = {
            path_in(folder, self.task, label, f"{name}.png"): png((self.on[..., number] == 1).astype(np.uint8) * 255)
            for number, label in enumerate(self.labels)
        }
        return write_all(masks | {path_in(folder, f"{self.task}-colours", f"{name}.png"): png(self.picture())})

    def __repr__(self) -> str:
        height, width, _ = self.on.shape
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())
        return f"Masks({self.task}, {height}x{width}: {shares})"
