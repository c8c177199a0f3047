"""One class for the whole photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afanet.tasks.label import Bools, listed
from afanet.tasks.meaning import NAMES, Check
from afanet.tasks.result import PooledResult


@dataclass(frozen=True)
class Choice(PooledResult):
    """The most probable class: its `name`, and its `index` in `probabilities`, which has all classes in order."""

    expected: ClassVar[Mapping[str, Check]] = {"classes": NAMES}
    reads = "the probability of each class"

    task: str
    name: str
    index: int
    probabilities: dict[str, float]

    @classmethod
    def estimate_shape(cls, meaning: Mapping[str, Any]) -> tuple[int | None, ...]:
        """A probability of each class."""
        return (len(meaning["classes"]),)

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Decide from probabilities (C,)."""
        classes, index = meaning["classes"], cls.decide(estimate)
        return cls(task, classes[index], index, dict(zip(classes, map(float, estimate), strict=True)))

    @staticmethod
    def decide(probabilities: NDArray[np.float32]) -> int:
        """The number of the most probable class."""
        return int(probabilities.argmax())

    def as_target(self) -> NDArray[np.int64]:
        """The number of the class, ()."""
        return np.array(self.index)

    @property
    def probability(self) -> float:
        """The probability of the class, 0 to 1."""
        return self.probabilities[self.name]

    @property
    def declaration(self) -> dict[str, Any]:
        """Its `classes`."""
        return {"classes": list(self.probabilities)}

    def confidence(self, mirror: Self | None = None) -> float:
        """The probability of the class."""
        return self.probability

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> str:
        """The class's name."""
        return self.name

    def misfit(self, cell: str, file: Path, declared: Mapping[str, Any] = {}) -> str | None:
        """A name that is none of the classes."""
        return None if cell in self.probabilities else f"its classes are {listed(self.probabilities)}"

    @property
    def likely(self) -> list[tuple[str, float]]:
        """The classes with their probabilities, the most probable first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])

    def __str__(self) -> str:
        return f"{self.name} ({self.probability:.0%})"

    def as_json(self) -> dict[str, Any]:
        """`class` and `probabilities`."""
        return {"class": self.name, "probabilities": self.probabilities}

    def columns(self) -> dict[str, str | float]:
        """`TASK`, and `TASK.CLASS` with the probability of each."""
        return {self.task: self.name} | {f"{self.task}.{name}": p for name, p in self.probabilities.items()}
