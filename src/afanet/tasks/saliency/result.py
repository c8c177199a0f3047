"""The probability of being salient for every pixel."""

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
from afanet.tasks.meaning import COLOURS, Check
from afanet.tasks.result import NOTEBOOK, DenseResult


@dataclass(frozen=True, eq=False)
class SaliencyMap(DenseResult):
    """How probable it is that each pixel is salient: `probability` is (H, W) float32, 0 to 1.

    Where the network did not see the photo, `probability` is -1, and pictures are black.
    """

    task: str
    probability: NDArray[np.float32]
    colours: NDArray[np.uint8]

    expected: ClassVar[Mapping[str, Check]] = {"colours": COLOURS}
    reads = "the probability that each pixel is salient"

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
        return {"probability": -1}

    def as_target(self) -> NDArray[np.float32]:
        """Probabilities (1, H, W)."""
        return self.probability[None]

    def confidence(self, mirror: Self | None = None) -> NDArray[np.float32]:
        """max(p, 1 - p) of the probability p of each pixel."""
        sure = np.maximum(self.probability, 1 - self.probability)
        return np.where(self.probability >= 0, sure, np.float32(np.nan))

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> LabelFile:
        """A PNG of 255 where the probability is above one half and 0 elsewhere; a `.npy` if some pixels are unknown.

        The `.npy` has 1, 0, and -1 where nothing is known.
        """
        labelled = self.probability >= 0 if known is None else known & (self.probability >= 0)
        salient = self.probability > 0.5
        if labelled.all():
            return LabelFile(".png", png(np.where(salient, np.uint8(255), np.uint8(0))))
        return LabelFile(".npy", npy(np.where(labelled, salient.astype(np.int8), np.int8(-1))))

    @property
    def share(self) -> float:
        """The share of the photo's pixels that are more probably salient than not."""
        return float((self.probability > 0.5).mean())

    def picture(self) -> Pixels:
        """The probability in the colours of the scale."""
        last = len(self.colours) - 1
        picture: Pixels = self.colours[(self.probability * (last + 1)).clip(0, last).astype(np.intp)]
        picture[self.probability < 0] = 0
        return picture

    def legend(self, width: int) -> Pixels:
        """The scale of probabilities."""
        return scale(self.colours.tolist(), 0, 1, "", width)

    def save(self, folder: str | Path, name: str) -> list[Path]:
        """`TASK/NAME.png`, of 8 bits, 255 for a probability of 1, and `TASK-colours/NAME.png`.

        `TASK-legend.png` in `folder` has the scale of these colours.
        """
        folder = Path(folder)
        self.save_legend(folder, self.legend(NOTEBOOK))
        grey = (self.probability * 255).round().clip(0, 255).astype(np.uint8)
        return write_all(
            {
                path_in(folder, self.task, f"{name}.png"): png(grey),
                path_in(folder, f"{self.task}-colours", f"{name}.png"): png(self.picture()),
            }
        )

    def __repr__(self) -> str:
        height, width = self.probability.shape
        return f"SaliencyMap({self.task}, {height}x{width}: {self.share:.0%} salient)"
