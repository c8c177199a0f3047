"""Any number of labels for the whole photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.tasks.label import Bools, listed
from afanet.tasks.meaning import NAMES, Check
from afanet.tasks.result import PooledResult


@dataclass(frozen=True)
class Labels(PooledResult):
    """Any number of labels: `names` are those that are more probable than not, `probabilities` has all labels."""

    expected: ClassVar[Mapping[str, Check]] = {"labels": NAMES}
    reads = "the probability of each label"

    task: str
    names: tuple[str, ...]
    probabilities: dict[str, float]

    @classmethod
    def estimate_shape(cls, meaning: Mapping[str, Any]) -> tuple[int | None, ...]:
        """A probability of each label."""
        return (len(meaning["labels"]),)

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Decide for each label from probabilities (L,)."""
        probabilities = dict(zip(meaning["labels"], map(float, estimate), strict=True))
        return cls(task, tuple(name for name, p in probabilities.items() if p > 0.5), probabilities)

    def as_target(self) -> NDArray[np.int64]:
        """1 for each label that is on, 0 for the others, (labels,)."""
        return np.array([int(name in self.names) for name in self.probabilities])

    @property
    def declaration(self) -> dict[str, Any]:
        """Its `labels`."""
        return {"labels": list(self.probabilities)}

    def confidence(self, mirror: Self | None = None) -> NDArray[np.float32]:
        """max(p, 1 - p) for the probability p of each label."""
        return np.array([max(p, 1 - p) for p in self.probabilities.values()], np.float32)

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> str:
        """The labels that are on, and with a `?` those that are not known, separated by semicolons; `-` for none.

        Raises `InputError` for a name with a semicolon in it.
        """
        for name in self.probabilities:
            if ";" in name or name in ("-", "?") or name != name.strip():
                raise InputError(
                    f"task '{self.task}' has a label '{name}', which no cell of a table can hold: rename it"
                )
        sure = [True] * len(self.probabilities) if known is None else known.tolist()
        parts = [
            name if certain else f"{name}?"
            for name, certain in zip(self.probabilities, sure, strict=True)
            if name in self.names or not certain
        ]
        return ";".join(parts) or "-"

    def misfit(self, cell: str, file: Path, declared: Mapping[str, Any] = {}) -> str | None:
        """A name that is none of the labels."""
        names = {part.strip(" \t") for part in cell.split(";")} - {"-", "?", ""}
        possible = {*self.probabilities, *(f"{name}?" for name in self.probabilities)}
        return None if names <= possible else f"its labels are {listed(self.probabilities)}"

    @property
    def likely(self) -> list[tuple[str, float]]:
        """The labels with their probabilities, the most probable first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])

    def __str__(self) -> str:
        return ", ".join(self.names) or "none"

    def as_json(self) -> dict[str, Any]:
        """`labels` and `probabilities`."""
        return {"labels": list(self.names), "probabilities": self.probabilities}

    def columns(self) -> dict[str, str | float]:
        """`TASK.LABEL` with the probability of each."""
        return {f"{self.task}.{name}": p for name, p in self.probabilities.items()}
