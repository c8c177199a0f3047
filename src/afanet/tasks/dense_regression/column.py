"""Labels of dense regression: files of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import AfterValidator
from torch import Tensor

from afanet.errors import InputError
from afanet.label_files import read_numbers
from afanet.label_files.numbers import ENDINGS
from afanet.tasks.column import FileColumn
from afanet.tasks.dense_regression.target import MAPS, Zoom
from afanet.tasks.dense_regression.task import DenseRegression
from afanet.tasks.regression.column import rising
from afanet.tasks.task import Task

MEANING = "map of numbers (H, W)"


def _not_zero(scale: float) -> float:
    if scale == 0:
        raise ValueError("expected a number other than 0")
    return scale


class DenseRegressionColumn(FileColumn):
    """A PNG in grey of 8 or 16 bits, a TIFF, an OpenEXR file of one channel, or a `.npy` or `.npz` (H, W).

    A value in the file times `scale` is a number in the `unit`. Values of `void`, as they are in the file, and NaN mean
    no label. Numbers may lie outside `range`, which gives the network its scale and pictures their colours.
    """

    example: ClassVar[Mapping[str, Any]] = {"range": [0, 30], "unit": "m"}
    endings: ClassVar[tuple[str, ...]] = ENDINGS

    range: Annotated[tuple[float, float], AfterValidator(rising)]
    unit: str = ""
    scale: Annotated[float, AfterValidator(_not_zero)] = 1.0
    void: float | None = None
    zoom: Zoom = "same"

    def task(self, name: str) -> Task:
        return DenseRegression(name, *self.range, unit=self.unit, zoom=self.zoom)

    def read(self, path: Path) -> Tensor:
        stored = read_numbers(path, ("L", "I;16", "I", "F"), MEANING, MEANING)
        if stored.ndim != 2:
            raise InputError(f"{path} holds {stored.dtype} {stored.shape}, expected a {MEANING}")
        with np.errstate(over="ignore"):
            numbers = (stored.astype(np.float64) * self.scale).astype(np.float32)
        if self.void is not None:
            numbers[stored == self.void] = np.nan
        if np.isinf(numbers).any():
            raise InputError(f"{path} has a value that is infinite, expected numbers, and NaN for none: mend it")
        target: Tensor = MAPS[self.zoom](torch.from_numpy(numbers)[None])
        return target

    @property
    def remedy(self) -> str:
        """What to set where numbers look wrong."""
        return "set `scale` to the units a step of the files, or `range` to the usual lowest and highest value"
