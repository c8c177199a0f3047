"""The result of a kind that says how probable something is at every pixel, such as an edge."""

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
from afanet.tasks.meaning import COLOURS, Check
from afanet.tasks.result import NOTEBOOK, DenseResult


@dataclass(frozen=True, eq=False, repr=False)
class ProbabilityMap(DenseResult):
    """A `probability` for every pixel, (H, W) float32 from 0 to 1; `colours` are those of 0 to 1.

    Where the network did not see the photo, the probability is `absent`, and pictures are black. `unit` stands below
    the scale of colours, and `what` says in a line of text what a pixel above one half is.
    """

    task: str
    probability: NDArray[np.float32]
    colours: NDArray[np.uint8]

    expected: ClassVar[Mapping[str, Check]] = {"colours": COLOURS}
    absent: ClassVar[float] = np.nan
    unit: ClassVar[str]
    what: ClassVar[str]

    @classmethod
    def estimate_shape(cls, meaning: Mapping[str, Any]) -> tuple[int | None, ...]:
        """A probability at each pixel."""
        return 1, None, None

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Resize probabilities (1, h, w)."""
        return cls(task, resize(estimate[0], size), np.array(meaning["colours"], np.uint8))

    @property
    def maps(self) -> dict[str, float]:
        """See `DenseResult`."""
        return {"probability": self.absent}

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Where there is a probability, (H, W)."""
        return self.probability >= 0

    @property
    def share(self) -> float:
        """The share of the photo's pixels whose probability is above one half."""
        return float((self.probability > 0.5).mean())

    def as_target(self) -> NDArray[np.float32]:
        """Probabilities (1, H, W)."""
        return self.probability[None]

    def confidence(self, mirror: Self | None = None) -> NDArray[np.float32]:
        """max(p, 1 - p) of the probability p of each pixel."""
        sure = np.maximum(self.probability, 1 - self.probability)
        return np.where(self.seen, sure, np.float32(np.nan))

    def picture(self) -> Pixels:
        """The probability in the colours of the scale."""
        last = len(self.colours) - 1
        shares = np.where(self.seen, self.probability, 0)
        picture: Pixels = self.colours[(shares * (last + 1)).clip(0, last).astype(np.intp)]
        picture[~self.seen] = 0
        return picture

    def legend(self, width: int) -> Pixels:
        """The scale of probabilities."""
        return scale(self.colours.tolist(), 0, 1, self.unit, width)

    def save(self, folder: str | Path, name: str) -> list[Path]:
        """`TASK/NAME.png`, 8-bit grey, 255 times the probability, as benchmarks take it, and `TASK-colours/NAME.png`.

        `TASK-legend.png` in `folder` has the scale of these colours.
        """
        folder = Path(folder)
        self.save_legend(folder, self.legend(NOTEBOOK))
        grey = (np.where(self.seen, self.probability, 0) * 255).round().clip(0, 255).astype(np.uint8)
        return write_all(
            {
                path_in(folder, self.task, f"{name}.png"): png(grey),
                path_in(folder, f"{self.task}-colours", f"{name}.png"): png(self.picture()),
            }
        )

    def __repr__(self) -> str:
        height, width = self.probability.shape
        return f"{type(self).__name__}({self.task}, {height}x{width}: {self.share:.1%} {self.what})"
