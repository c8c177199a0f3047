"""One value for the whole photo: a class, labels or a number."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError, shown
from afanet.files import path_in, write_whole
from afanet.inference.results.draw import Pixels, bars, stack, title
from afanet.inference.results.result import Result
from afanet.meanings import DECIMALS, is_whole

SHOWN = 8  # bars at most
CARD = 360  # width of a picture, pixels


class Pooled(Result):
    """A result that can be said in words."""

    @abstractmethod
    def __str__(self) -> str:
        """The result in words, with its unit."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """The result as JSON, with all probabilities."""

    @abstractmethod
    def columns(self) -> dict[str, str | float]:
        """The cells of a table, by the column's name."""

    @property
    def likely(self) -> list[tuple[str, float]]:
        """Names with their probabilities, the most probable first."""
        return []

    def picture(self) -> Pixels:
        """The result in words, with bars for what is most probable."""
        return self.figure(CARD)

    def figure(self, width: int) -> Pixels:
        """The result in words, with bars for what is most probable."""
        parts = [title(f"{self.task}: {self}", width)]
        return stack([*parts, bars(self.likely[:SHOWN], width)] if self.likely else parts)

    def save(self, folder: str | Path, name: str) -> list[Path]:
        """`TASK/NAME.json`."""
        text = json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n"
        return [write_whole(path_in(Path(folder), self.task, f"{name}.json"), text.encode())]

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{escape(name)}</td><td>{share:.1%}</td></tr>" for name, share in self.likely[:SHOWN])
        return f"<b>{escape(self.task)}: {escape(str(self))}</b><table>{rows}</table>"


@dataclass(frozen=True)
class Choice(Pooled):
    """One class: `name`, which is number `index` of those that `probabilities` holds in their order.

    The most probable, or, where classes stand in an order, their median: the first that as much lies beyond as not.
    """

    task: str
    name: str
    index: int
    probabilities: dict[str, float]

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Decide by probabilities (C,)."""
        classes = meaning["classes"]
        if meaning["kind"] == "ordinal":
            index = int((1 - np.cumsum(estimate, dtype=np.float32)[:-1] > 0.5).sum())
        else:
            index = int(estimate.argmax())
        return cls(task, classes[index], index, dict(zip(classes, map(float, estimate), strict=True)))

    @property
    def probability(self) -> float:
        """That of the class, 0 to 1."""
        return self.probabilities[self.name]

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


@dataclass(frozen=True)
class Labels(Pooled):
    """Any number of labels: `names` are those more probable than not, of all that `probabilities` holds."""

    task: str
    names: tuple[str, ...]
    probabilities: dict[str, float]

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """Decide by probabilities (L,), each for itself."""
        probabilities = dict(zip(meaning["labels"], map(float, estimate), strict=True))
        return cls(task, tuple(name for name, p in probabilities.items() if p > 0.5), probabilities)

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


@dataclass(frozen=True)
class Number(Pooled):
    """A `value` in its `unit`, of which `decimals` are worth showing."""

    task: str
    value: float
    unit: str
    decimals: int

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """The number itself."""
        decimals = meaning["decimals"]
        if not is_whole(decimals, 0, DECIMALS):
            raise InputError(f"task '{task}' has {shown(decimals)} decimals, expected 0 to {DECIMALS}")
        return cls(task, float(estimate), meaning["unit"], decimals)

    def __str__(self) -> str:
        return f"{self.value:.{self.decimals}f} {self.unit}".strip()

    def as_json(self) -> dict[str, Any]:
        """`value` and `unit`."""
        return {"value": self.value, "unit": self.unit}

    def columns(self) -> dict[str, str | float]:
        """`TASK`, in the unit."""
        return {self.task: self.value}
