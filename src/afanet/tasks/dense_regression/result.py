"""A number for every pixel."""

from __future__ import annotations

import io
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
from afanet.tasks.meaning import COLOURS, RANGE, WORD, Check
from afanet.tasks.result import NOTEBOOK, DenseResult

ZOOMS = ("same", "inverse", "proportional")


@dataclass(frozen=True, eq=False)
class QuantityMap(DenseResult):
    """Numbers in a `unit`: `values` is (H, W) float32; colours reach from `low` to `high`.

    `zoom` says how values change in a view that shows everything larger.

    Where the network did not see the photo, `values` is NaN, and pictures are black.
    """

    task: str
    values: NDArray[np.float32]
    unit: str
    low: float
    high: float
    colours: NDArray[np.uint8]
    zoom: str = "same"

    expected: ClassVar[Mapping[str, Check]] = {
        "unit": WORD,
        "range": RANGE,
        "zoom": (f"one of: {', '.join(ZOOMS)}", lambda value: isinstance(value, str) and value in ZOOMS),
        "colours": COLOURS,
    }
    reads = "a number at each pixel"
    compared = True

    @classmethod
    def undo_meant(
        cls, meaning: Mapping[str, Any], estimate: NDArray[np.float32], mirrored: bool, scale: float
    ) -> NDArray[np.float32]:
        """A view that shows everything `scale` times as large is like one from `scale` times as near."""
        if scale == 1 or meaning["zoom"] == "same":
            return estimate
        return estimate * np.float32(scale if meaning["zoom"] == "inverse" else 1 / scale)

    @classmethod
    def estimate_shape(cls, meaning: Mapping[str, Any]) -> tuple[int | None, ...]:
        """A number at each pixel."""
        return 1, None, None

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Resize numbers (1, h, w)."""
        low, high = map(float, meaning["range"])
        colours = np.array(meaning["colours"], np.uint8)
        return cls(task, resize(estimate[0], size), meaning["unit"], low, high, colours, meaning["zoom"])

    @property
    def maps(self) -> dict[str, float]:
        """See `DenseResult`."""
        return {"values": np.nan}

    def as_target(self) -> NDArray[np.float32]:
        """Numbers (1, H, W)."""
        return self.values[None]

    @property
    def declaration(self) -> dict[str, Any]:
        """Its usual `range`, the `unit`, and `zoom`."""
        keys: dict[str, Any] = {"range": [self.low, self.high]}
        return keys | ({"unit": self.unit} if self.unit else {}) | ({"zoom": self.zoom} if self.zoom != "same" else {})

    def mirrored(self) -> Self:
        """Turned left to right."""
        return replace(self, values=self.values[:, ::-1])

    def confidence(self, mirror: Self | None = None) -> NDArray[np.float32] | None:
        """1 - |a - b| / range for the numbers a and b of the photo and its mirror image at each pixel, at least 0."""
        if mirror is None:
            return None
        difference = np.abs(self.values - mirror.values) / np.float32(self.high - self.low)
        return np.asarray((1 - difference).clip(0, 1), np.float32)

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> LabelFile:
        """A `.npy` of float32 with `scale` units a step, 1 by default, and NaN where nothing is known."""
        values = self.values if known is None else np.where(known, self.values, np.float32(np.nan))
        return LabelFile(".npy", npy((values / np.float64(declared.get("scale", 1))).astype(np.float32)))

    def picture(self) -> Pixels:
        """The values in the colours of the scale."""
        last = len(self.colours) - 1
        share = (np.nan_to_num(self.values, nan=self.low) - self.low) / (self.high - self.low)
        picture: Pixels = self.colours[(share * (last + 1)).clip(0, last).astype(np.intp)]
        picture[np.isnan(self.values)] = 0
        return picture

    def legend(self, width: int) -> Pixels:
        """The scale in the unit."""
        return scale(self.colours.tolist(), self.low, self.high, self.unit, width)

    def save(self, folder: str | Path, name: str) -> list[Path]:
        """`TASK/NAME.npy`, float32 in the unit, and `TASK-colours/NAME.png`.

        `TASK-legend.png` in `folder` has the scale of these colours.
        """
        folder, array = Path(folder), io.BytesIO()
        np.save(array, self.values)
        self.save_legend(folder, self.legend(NOTEBOOK))
        return write_all(
            {
                path_in(folder, self.task, f"{name}.npy"): array.getvalue(),
                path_in(folder, f"{self.task}-colours", f"{name}.png"): png(self.picture()),
            }
        )

    def __repr__(self) -> str:
        height, width = self.values.shape
        seen = self.values[np.isfinite(self.values)]
        low, high = seen.min(initial=np.inf), seen.max(initial=-np.inf)
        return f"QuantityMap({self.task}, {height}x{width}: {low:.4g} to {high:.4g} {self.unit}".rstrip() + ")"
