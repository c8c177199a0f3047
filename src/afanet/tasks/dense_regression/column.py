"""Labels of dense regression: files of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator
from torch import Tensor

from afanet.errors import InputError
from afanet.label_files import read_array, read_exr, read_image
from afanet.tasks.column import FileColumn
from afanet.tasks.dense_regression.target import MAPS, Zoom
from afanet.tasks.dense_regression.task import DenseRegression
from afanet.tasks.regression.column import rising
from afanet.tasks.task import Task

MEANING = "map of numbers (H, W)"
ARRAYS = (".npy", ".npz")
CHANNELS = (("y",), ("v",), ("z",))  # of one number a pixel in OpenEXR


def _not_zero(scale: float) -> float:
    if scale == 0:
        raise ValueError("expected another number than 0")
    return scale


class DenseRegressionColumn(FileColumn):
    """A PNG in grey of 8 or 16 bits, a TIFF, an OpenEXR file of one channel, or a `.npy` or `.npz` (H, W).

    A number is `scale` units times what the file has; `void`, as it is in the file, and NaN are none. Numbers may lie
    outside `range`, which gives the network its scale and pictures their colours.
    """

    example: ClassVar[Mapping[str, Any]] = {"range": [0, 30], "unit": "m"}
    endings: ClassVar[tuple[str, ...]] = (".png", ".npy", ".npz", ".tif", ".tiff", ".exr")

    range: Annotated[tuple[float, float], AfterValidator(rising)]
    unit: str = ""
    scale: Annotated[float, AfterValidator(_not_zero)] = 1.0
    void: float | None = None
    zoom: Zoom = "same"

    def task(self, name: str) -> Task:
        return DenseRegression(name, *self.range, unit=self.unit, zoom=self.zoom)

    def read(self, path: Path) -> Tensor:
        stored = _read_numbers(path)
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


def _read_numbers(path: Path) -> NDArray[Any]:
    """The numbers of a file, as they are stored."""
    if path.suffix.lower() in ARRAYS:
        return read_array(path, MEANING)
    if path.suffix.lower() == ".exr":
        return read_exr(path, MEANING, CHANNELS)[..., 0]
    return read_image(path, ("L", "I;16", "I", "F"), MEANING, ("PNG", "TIFF"))
