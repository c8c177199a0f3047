"""Metres for every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afanet.files import path_in, write_all
from afanet.tasks.drawing.draw import Pixels, scale
from afanet.tasks.drawing.png import png
from afanet.tasks.drawing.resize import resize
from afanet.tasks.label import Bools, LabelFile, npy
from afanet.tasks.meaning import COLOURS, POSITIVE, Check
from afanet.tasks.result import NOTEBOOK, DenseResult

FARTHEST = 65535  # millimetres, the most that 16 bits hold


@dataclass(frozen=True, eq=False)
class DepthMap(DenseResult):
    """Distance along the camera's axis: `metres` is (H, W) float32; colours reach from 0 to `far` metres.

    Where the network did not see the photo, `metres` is 0, and pictures are black.
    """

    task: str
    metres: NDArray[np.float32]
    far: float
    colours: NDArray[np.uint8]

    expected: ClassVar[Mapping[str, Check]] = {"far": POSITIVE, "colours": COLOURS}
    reads = "metres at each pixel"
    compared = True
    limits = ("Depth is right for the camera of the training data; another focal length scales it.",)

    @classmethod
    def undo(cls, estimate: NDArray[np.float32], mirrored: bool, scale: float) -> NDArray[np.float32]:
        """A view that shows everything `scale` times as large is like one from `scale` times as near."""
        return estimate * np.float32(scale) if scale != 1 else estimate

    @classmethod
    def estimate_shape(cls, meaning: Mapping[str, Any]) -> tuple[int | None, ...]:
        """Metres at each pixel."""
        return 1, None, None

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Resize metres (1, h, w)."""
        return cls(task, resize(estimate[0], size), float(meaning["far"]), np.array(meaning["colours"], np.uint8))

    @property
    def maps(self) -> dict[str, int]:
        """See `DenseResult`."""
        return {"metres": 0}

    def as_target(self) -> NDArray[np.float32]:
        """Metres (1, H, W)."""
        return self.metres[None]

    @property
    def declaration(self) -> dict[str, Any]:
        """`max`, the far end of the colours; and a `scale` if 16 bits of millimetres do not reach twice as far."""
        coarse = {} if 2 * self.far <= FARTHEST / 1000 else {"scale": 2 * self.far / FARTHEST}
        return coarse | {"max": self.far}

    def mirrored(self) -> Self:
        """Turned left to right."""
        return replace(self, metres=self.metres[:, ::-1])

    def confidence(self, mirror: Self | None = None) -> NDArray[np.float32] | None:
        """min(a, b) / max(a, b) of the depths a and b of the photo and its mirror image at each pixel."""
        if mirror is None:
            return None
        near, far = np.minimum(self.metres, mirror.metres), np.maximum(self.metres, mirror.metres)
        agreement = (near / np.where(far > 0, far, 1)).astype(np.float32)
        return np.where(self.metres > 0, agreement, np.float32(np.nan))

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> LabelFile:
        """A PNG of 16 bits with `scale` metres a step, a millimetre by default, and 0 where nothing is known.

        If something is farther than 65,535 steps, the file is a `.npy` of the same scale, which holds it.
        """
        scale = declared.get("scale", self.declaration.get("scale"))
        labelled = self.metres > 0 if known is None else known & (self.metres > 0)
        metres = np.where(labelled, self.metres, np.float32(0))
        steps = (metres / np.float64(scale or 0.001)).round()
        if steps.max() > FARTHEST:
            return LabelFile(".npy", npy((metres / np.float64(scale or 1)).astype(np.float32)))
        return LabelFile(".png", png(np.where(labelled, steps.clip(1), 0).astype(np.uint16)))

    @property
    def unit(self) -> str:
        """m."""
        return "m"

    @property
    def millimetres(self) -> NDArray[np.uint16]:
        """(H, W) uint16, at most 65,535."""
        return (self.metres * 1000).round().clip(0, FARTHEST).astype(np.uint16)

    def picture(self) -> Pixels:
        """Depth in the colours of the scale."""
        last = len(self.colours) - 1
        picture: Pixels = self.colours[(self.metres / self.far * (last + 1)).clip(0, last).astype(np.intp)]
        picture[self.metres == 0] = 0
        return picture

    def legend(self, width: int) -> Pixels:
        """The scale in metres."""
        return scale(self.colours.tolist(), 0, self.far, self.unit, width)

    def save(self, folder: str | Path, name: str) -> list[Path]:
        """`TASK/NAME.png`, 16 bits, millimetres, and `TASK-colours/NAME.png`.

        `TASK-legend.png` in `folder` has the scale of these colours.
        """
        folder = Path(folder)
        self.save_legend(folder, self.legend(NOTEBOOK))
        return write_all(
            {
                path_in(folder, self.task, f"{name}.png"): png(self.millimetres),
                path_in(folder, f"{self.task}-colours", f"{name}.png"): png(self.picture()),
            }
        )

    def __repr__(self) -> str:
        height, width = self.metres.shape
        seen = self.metres[self.metres > 0]
        low, high = seen.min(initial=np.inf), self.metres.max()
        return f"DepthMap({self.task}, {height}x{width}: {low:.2f} to {high:.2f} m)"
