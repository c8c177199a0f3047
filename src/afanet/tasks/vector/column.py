"""Labels of vectors: numbers in a list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from torch import Tensor

from afanet.errors import InputError
from afanet.tasks.column import Name, Swap, ValueColumn, distinct
from afanet.tasks.maps import Points
from afanet.tasks.regression.column import NUMBER, rising
from afanet.tasks.task import Task
from afanet.tasks.vector.task import WHOLE, Vector

UNKNOWN = ("?", "")
BLANKS = " \t"  # that may surround a number
PIXELS = "px"

Limits = Annotated[tuple[float, float], AfterValidator(rising)]


class VectorColumn(ValueColumn):
    """Numbers in the order of their `names`, separated by semicolons; `?` or nothing between them for unknown ones.

    `range` is one range for all numbers, or one for each name. With `points`, names are x and y of points in turn, and
    the numbers fractions of the image's width and height, or pixels with `unit: px`, from its upper left corner.
    """

    example: ClassVar[Mapping[str, Any]] = {"names": ["yaw", "pitch"], "range": [-90, 90], "unit": "degrees"}

    names: Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(distinct)]
    points: bool = False
    unit: str = ""
    range: Limits | dict[Name, Limits] | None = Field(None, validate_default=True)
    swap: Swap = Field({})

    @field_validator("points")
    @classmethod
    def _in_pairs(cls, points: bool, keys: ValidationInfo) -> bool:
        names = keys.data.get("names", ())
        if points and len(names) % 2:
            raise ValueError(f"and there are {len(names)} names, expected x and y of each point in turn")
        return points

    @field_validator("range")
    @classmethod
    def _of_each(cls, limits: Any, keys: ValidationInfo) -> Any:
        points, names = keys.data.get("points"), keys.data.get("names", ())
        if points and limits is not None:
            raise ValueError("and points need none, since they are within the image: take it out")
        if limits is None and points is False:
            raise PydanticCustomError("missing", "which is required")
        if isinstance(limits, dict) and set(limits) != set(names):
            odd = next(name for name in (*limits, *names) if (name in limits) != (name in names))
            raise ValueError(f"in which '{odd}' is {'no name' if odd in limits else 'missing'}, expected all names")
        return limits

    @field_validator("swap")
    @classmethod
    def _along_one_axis(cls, swap: Swap, keys: ValidationInfo) -> Swap:
        names = keys.data.get("names", ())
        for one, other in swap.items() if keys.data.get("points") else ():
            if {one, other} <= set(names) and (names.index(one) - names.index(other)) % 2:
                raise ValueError(f"in which '{one}' and '{other}' are an x and a y, expected x with x and y with y")
        return swap

    @property
    def limits(self) -> list[tuple[float, float]]:
        """The lowest and highest value of each number in a cell."""
        if self.points:
            return [(0.0, float("inf") if self.unit == PIXELS else 1.0)] * len(self.names)
        assert self.range is not None
        return [self.range[name] if isinstance(self.range, dict) else self.range for name in self.names]

    def task(self, name: str) -> Task:
        if self.points:
            return Vector(name, self.names, WHOLE, self.unit, points=True)
        one_for_all = self.range if isinstance(self.range, tuple) else None
        return Vector(name, self.names, one_for_all or self.limits, self.unit)

    def encode(self, cells: pa.Array) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values are float32, NaN for unknown ones."""
        parts = pc.split_pattern(cells, ";")
        counted = pc.equal(pc.list_value_length(parts), len(self.names)).to_numpy(zero_copy_only=False)
        texts = pc.utf8_trim(pc.list_flatten(parts.filter(pa.array(counted))), BLANKS)
        written = pc.match_substring_regex(texts, NUMBER)
        numbers = pc.if_else(written, texts, None).cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        unknown = pc.is_in(texts, value_set=pa.array(UNKNOWN)).to_numpy(zero_copy_only=False)
        low, high = np.array(self.limits).T
        table = numbers.reshape(-1, len(self.names))
        fits = ((low <= table) & (table <= high)) | unknown.reshape(table.shape)
        values = np.full((len(cells), len(self.names)), np.nan, np.float32)
        values[counted] = table
        usable = counted.copy()
        usable[counted] = fits.all(1)
        return values, usable

    def target(self, value: Any) -> Tensor:
        numbers = torch.tensor(value)
        return Points(numbers) if self.points else numbers

    def target_in(self, value: Any, size: tuple[int, int]) -> Tensor:
        """Points in pixels as fractions of an image's size."""
        if not (self.points and self.unit == PIXELS):
            return self.target(value)
        fractions = value / np.tile(np.array([size[1], size[0]], np.float32), len(self.names) // 2)
        for name, number, fraction, of in zip(self.names, value, fractions, size[::-1] * len(self.names), strict=False):
            if fraction > 1:
                raise InputError(f"{name} is {number:g} px, expected 0 to {of}, the size of its image, or ? for none")
        return self.target(fractions)

    def complain(self, name: str, cell: str) -> str:
        parts = [part.strip(BLANKS) for part in cell.split(";")]
        if len(parts) != len(self.names):
            listed = ";".join(self.names[:8]) + (";..." if len(self.names) > 8 else "")
            return (
                f"{name} is '{cell}', {len(parts)} number{'s'[: len(parts) > 1]}, expected {len(self.names)} separated "
                f"by ';', {listed}, with ? for unknown ones"
            )
        wrong, part, (low, high) = next(
            (number, part, limits)
            for number, part, limits in zip(self.names, parts, self.limits, strict=True)
            if part not in UNKNOWN and not (re.match(NUMBER, part) and limits[0] <= float(part) <= limits[1])
        )
        until = f" to {high:g}" if high < float("inf") else " or more"
        unit = "of the image" if self.points and self.unit != PIXELS else self.unit
        return f"{wrong} of {name} is '{part}', expected a number from {low:g}{until} {unit}".rstrip() + ", or ?"
