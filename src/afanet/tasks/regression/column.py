"""Labels of regression: a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator
from torch import Tensor

from afanet.tasks.column import ValueColumn
from afanet.tasks.regression.task import Regression
from afanet.tasks.task import Task

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def rising(limits: tuple[float, float]) -> tuple[float, float]:
    """The limits, if the lower is first."""
    if not limits[0] < limits[1]:
        raise ValueError("expected the lower limit first")
    return limits


class RegressionColumn(ValueColumn):
    """A number within a range."""

    example: ClassVar[Mapping[str, Any]] = {"range": [0, 100], "unit": "years"}

    range: Annotated[tuple[float, float], AfterValidator(rising)]
    unit: str = ""

    def task(self, name: str) -> Task:
        return Regression(name, *self.range, unit=self.unit)

    def encode(self, cells: pa.Array) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        written = pc.match_substring_regex(cells, NUMBER)
        numbers = pc.if_else(written, cells, None).cast(pa.float64()).fill_null(np.nan).to_numpy()
        low, high = self.range
        return numbers.astype(np.float32), (low <= numbers) & (numbers <= high)

    def target(self, value: Any) -> Tensor:
        return torch.tensor(float(value))

    def complain(self, name: str, cell: str) -> str:
        low, high = self.range
        return f"{name} is '{cell}', expected a number from {low:g} to {high:g} {self.unit}".rstrip()
