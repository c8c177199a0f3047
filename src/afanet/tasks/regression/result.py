"""A number for the whole photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError, shown
from afanet.tasks.label import Bools
from afanet.tasks.meaning import DECIMALS, RANGE, WORD, Check, is_whole
from afanet.tasks.result import PooledResult


@dataclass(frozen=True)
class Number(PooledResult):
    """A `value` in its `unit`; `decimals` is how many are worth showing, `range` its usual range, if known."""

    expected: ClassVar[Mapping[str, Check]] = {
        "unit": WORD,
        "range": RANGE,
        "decimals": (f"a whole number from 0 to {DECIMALS}", lambda value: is_whole(value, 0, DECIMALS)),
    }
    optional = frozenset({"range"})  # missing from the first runs that kept a meaning
    reads = "one number"
    compared = True

    task: str
    value: float
    unit: str
    decimals: int
    range: tuple[float, float] | None = None

    @classmethod
    def estimate_shape(cls, meaning: Mapping[str, Any]) -> tuple[int | None, ...]:
        """One number."""
        return ()

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """The number itself."""
        decimals = meaning["decimals"]
        if not is_whole(decimals, 0, DECIMALS):
            raise InputError(f"task '{task}' has {shown(decimals)} decimals, expected 0 to {DECIMALS}")
        usual = meaning.get("range")
        return cls(task, float(estimate), meaning["unit"], decimals, (usual[0], usual[1]) if usual else None)

    def as_target(self) -> NDArray[np.float32]:
        """The number, ()."""
        return np.array(self.value, np.float32)

    @property
    def declaration(self) -> dict[str, Any]:
        """Its `range` and `unit`, as far as they are known."""
        usual = {"range": list(self.range)} if self.range else {}
        return usual | ({"unit": self.unit} if self.unit else {})

    def confidence(self, mirror: Self | None = None) -> float | None:
        """1 - |a - b| / range for the numbers a and b of the photo and its mirror image, at least 0."""
        if mirror is None or self.range is None:
            return None
        return max(0.0, 1 - abs(self.value - mirror.value) / (self.range[1] - self.range[0]))

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> str:
        """The number, clipped to the `range` of the column, which reads no others."""
        low, high = declared.get("range") or self.range or (-np.inf, np.inf)
        return str(float(str(np.float32(min(max(self.value, low), high)))))

    def misfit(self, cell: str, file: Path, declared: Mapping[str, Any] = {}) -> str | None:
        """A cell that is not a number."""
        try:
            float(cell)
        except ValueError:
            return "its labels are numbers"
        return None

    def __str__(self) -> str:
        return f"{self.value:.{self.decimals}f} {self.unit}".strip()

    def as_json(self) -> dict[str, Any]:
        """`value` and `unit`."""
        return {"value": self.value, "unit": self.unit}

    def columns(self) -> dict[str, str | float]:
        """`TASK`, in the unit."""
        return {self.task: self.value}
