"""What the colours of a dense task mean, what a page reads out of it, and the bins of its errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Swatches:
    """A legend of named colours: `colours` is (len(names), 3), uint8."""

    names: tuple[str, ...]
    colours: NDArray[np.uint8]


@dataclass(frozen=True)
class ColourBar:
    """A legend of a continuous range: `colours`, (steps, 3) uint8, from `low` to `high` in `unit`."""

    colours: NDArray[np.uint8]
    low: float
    high: float
    unit: str


Legend = Swatches | ColourBar


@dataclass(frozen=True)
class Readout:
    """Whole numbers, `values` (H, W) from 0 to 65535: positions in the legend, or counts with `steps` to a `unit`."""

    values: Tensor
    steps: int = 1
    unit: str = ""


@dataclass(frozen=True)
class ErrorBins:
    """Equal bins from 0 to `most` for a chart of errors, with the chart's title and axis."""

    most: float
    title: str
    axis: str

    def __len__(self) -> int:
        return 20
