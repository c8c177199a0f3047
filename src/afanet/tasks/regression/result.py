"""A number for the whole photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError, shown
from afanet.tasks.meaning import DECIMALS, RANGE, WORD, Check, is_whole
from afanet.tasks.result import PooledResult


@dataclass(frozen=True)
class Number(PooledResult):
    """A `value` in its `unit`, of which `decimals` are worth showing."""

    expected: ClassVar[Mapping[str, Check]] = {
        "unit": WORD,
        "range": RANGE,
        "decimals": (f"a whole number from 0 to {DECIMALS}", lambda value: is_whole(value, 0, DECIMALS)),
    }
    optional = frozenset({"range"})  # the first runs to keep a meaning do not have it
    reads = "one number"

    task: str
    value: float
    unit: str
    decimals: int

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
        return cls(task, float(estimate), meaning["unit"], decimals)

    def as_target(self) -> NDArray[np.float32]:
        """The number, ()."""
        return np.array(self.value, np.float32)

    def __str__(self) -> str:
        return f"{self.value:.{self.decimals}f} {self.unit}".strip()

    def as_json(self) -> dict[str, Any]:
        """`value` and `unit`."""
        return {"value": self.value, "unit": self.unit}

    def columns(self) -> dict[str, str | float]:
        """`TASK`, in the unit."""
        return {self.task: self.value}
