"""The probability of an edge at every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afanet.files import path_in, write_all
from afanet.tasks.drawing.draw import Pixels, scale
from afanet.tasks.drawing.png import png
from afanet.tasks.drawing.resize import resize
from afanet.tasks.label import Bools, LabelFile, npy
from afanet.tasks.meaning import COLOURS, Check, is_number
from afanet.tasks.result import NOTEBOOK, DenseResult

MAX_DISTANCE = 0.0075  # of BSDS and PASCAL, in diagonals of the image
PAPER, INK = (245, 245, 240), (20, 50, 120)


def ramp() -> NDArray[np.uint8]:
    """The colours of the probabilities 0 to 1, (256, 3) uint8: from paper to ink."""
    share = np.linspace(0, 1, 256)[:, None]
    colours: NDArray[np.uint8] = (np.array(PAPER) * (1 - share) + np.array(INK) * share).round().astype(np.uint8)
    return colours


@dataclass(frozen=True, eq=False)
class EdgeProbabilities(DenseResult):
    """How probable an edge is: `probability` is (H, W) float32, 0 to 1; `colours` go from 0 to 1.

    `max_distance` is the distance, in diagonals of the image, within which an edge was scored as found. Where the
    network did not see the photo, `probability` is NaN, and pictures are black.
    """

    task: str
    probability: NDArray[np.float32]
    colours: NDArray[np.uint8]
    max_distance: float = MAX_DISTANCE

    expected: ClassVar[Mapping[str, Check]] = {
        "max_distance": ("a number above 0, 1 at most", lambda value: is_number(value) and 0 < value <= 1),
        "colours": COLOURS,
    }
    reads = "the probability of an edge at each pixel"

    @classmethod
    def estimate_shape(cls, meaning: Mapping[str, Any]) -> tuple[int | None, ...]:
        """A probability at each pixel."""
        return 1, None, None

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Resize probabilities (1, h, w)."""
        colours = np.array(meaning["colours"], np.uint8)
        return cls(task, resize(estimate[0], size), colours, float(meaning["max_distance"]))

    @property
    def maps(self) -> dict[str, float]:
        """See `DenseResult`."""
        return {"probability": np.nan}

    def as_target(self) -> NDArray[np.float32]:
        """Probabilities (1, H, W), as `BoundaryScores` takes them."""
        return self.probability[None]

    @property
    def declaration(self) -> dict[str, Any]:
        """Its `max_distance`."""
        return {"max_distance": self.max_distance}

    def confidence(self, mirror: Self | None = None) -> NDArray[np.float32]:
        """max(p, 1 - p) for the probability p at each pixel."""
        return np.maximum(self.probability, 1 - self.probability)

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> LabelFile:
        """A `.npy` of int16: 255 where an edge is more probable than not, 0 elsewhere, -1 where nothing is known."""
        seen = np.isfinite(self.probability)
        edges = np.where(self.probability > 0.5, np.int16(255), np.int16(0))
        edges[~(seen if known is None else seen & known)] = -1
        return LabelFile(".npy", npy(edges))

    def picture(self) -> Pixels:
        """The probability in the colours of the scale."""
        last = len(self.colours) - 1
        picture: Pixels = self.colours[(np.nan_to_num(self.probability) * last).round().clip(0, last).astype(np.intp)]
        picture[np.isnan(self.probability)] = 0
        return picture

    def legend(self, width: int) -> Pixels:
        """The scale of probabilities."""
        return scale(self.colours.tolist(), 0, 1, "probability of an edge", width)

    def save(self, folder: str | Path, name: str) -> list[Path]:
        """`TASK/NAME.png`, 8-bit grey, 255 times the probability, as benchmarks take it, and `TASK-colours/NAME.png`.

        `TASK-legend.png` in `folder` has the scale of these colours.
        """
        folder = Path(folder)
        self.save_legend(folder, self.legend(NOTEBOOK))
        grey = (np.nan_to_num(self.probability) * 255).round().clip(0, 255).astype(np.uint8)
        return write_all(
            {
                path_in(folder, self.task, f"{name}.png"): png(grey),
                path_in(folder, f"{self.task}-colours", f"{name}.png"): png(self.picture()),
            }
        )

    def __repr__(self) -> str:
        height, width = self.probability.shape
        share = float((self.probability > 0.5).mean())
        return f"EdgeProbabilities({self.task}, {height}x{width}: {share:.1%} edges)"
