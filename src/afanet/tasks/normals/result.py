"""A direction for every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afanet.files import path_in, write_whole
from afanet.tasks.drawing.draw import Pixels, swatches
from afanet.tasks.drawing.png import png
from afanet.tasks.drawing.resize import resize, unit
from afanet.tasks.label import Bools, LabelFile
from afanet.tasks.meaning import COLOURS, NAMES, Check, colours_fault
from afanet.tasks.result import DenseResult


@dataclass(frozen=True, eq=False)
class NormalMap(DenseResult):
    """Unit vectors out of the surface, `vectors` (H, W, 3) float32: x to the right, y up, z towards the camera.

    `directions` names some directions for a legend, with their `colours`, (len(directions), 3) uint8. Where the network
    did not see the photo, vectors are 0, 0, 0, and pictures mid-grey.
    """

    task: str
    vectors: NDArray[np.float32]
    directions: tuple[str, ...]
    colours: NDArray[np.uint8]

    expected: ClassVar[Mapping[str, Check]] = {"directions": NAMES, "colours": COLOURS}
    reads = "a unit vector at each pixel"
    compared = True

    @classmethod
    def meaning_fault(cls, meaning: Mapping[str, Any]) -> str | None:
        """See `Result`; each direction has a colour."""
        return super().meaning_fault(meaning) or colours_fault(meaning["directions"], meaning["colours"])

    @classmethod
    def undo(cls, estimate: NDArray[np.float32], mirrored: bool, scale: float) -> NDArray[np.float32]:
        """A mirror negates x; a nearer view stretches z."""
        if mirrored:
            estimate = estimate * np.array([-1, 1, 1], np.float32)[:, None, None]
        if scale != 1:
            estimate = unit(estimate * np.array([1, 1, 1 / scale], np.float32)[:, None, None], axis=1)
        return estimate

    @classmethod
    def estimate_shape(cls, meaning: Mapping[str, Any]) -> tuple[int | None, ...]:
        """A vector at each pixel."""
        return 3, None, None

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Resize (3, h, w) and bring every vector to length 1."""
        vectors = unit(np.stack([resize(part, size) for part in estimate], axis=-1), axis=-1)
        return cls(task, vectors, tuple(meaning["directions"]), np.array(meaning["colours"], np.uint8))

    @property
    def maps(self) -> dict[str, int]:
        """See `DenseResult`."""
        return {"vectors": 0}

    def as_target(self) -> NDArray[np.float32]:
        """Vectors (3, H, W)."""
        return np.ascontiguousarray(self.vectors.transpose(2, 0, 1))

    def mirrored(self) -> Self:
        """Turned left to right, with x negated."""
        return replace(self, vectors=self.vectors[:, ::-1] * np.array([-1, 1, 1], np.float32))

    def confidence(self, mirror: Self | None = None) -> NDArray[np.float32] | None:
        """The cosine of the angle between the normals of the photo and its mirror image, at least 0, at each pixel."""
        if mirror is None:
            return None
        cosine = (self.vectors * mirror.vectors).sum(-1, dtype=np.float32).clip(0, 1)
        return np.where(self.vectors.any(-1), cosine, np.float32(np.nan))

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> LabelFile:
        """A PNG of 8-bit RGB, value / 127.5 - 1, and black where nothing is known."""
        labelled = (self.vectors != 0).any(2)
        if known is not None:
            labelled &= known
        return LabelFile(".png", png(np.where(labelled[..., None], self.picture(), np.uint8(0))))

    def picture(self) -> Pixels:
        """x, y and z from -1 to 1, as red, green and blue from 0 to 255."""
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
