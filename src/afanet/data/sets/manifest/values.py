"""Kinds of task with one value for an image, which stands in the manifest itself."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field
from torch import Tensor

from afanet import tasks
from afanet.data.declared import Declared
from afanet.errors import unknown

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
NONE = "-"  # of the labels of a multi-label task
BLANKS = " \t"  # that may stand around a label


def _name(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("which YAML reads as true or false: put the name in quotes")
    return str(value) if isinstance(value, int) else value


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("in which a name stands twice")
    return names


def _listable(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if ";" in name or name in (NONE, "") or name != name.strip(BLANKS):
            raise ValueError(f"in which '{name}' cannot be told from the signs of a list, ';' and '{NONE}'")
    return names


def _rising(limits: tuple[float, float]) -> tuple[float, float]:
    if not limits[0] < limits[1]:
        raise ValueError("expected the lower limit first")
    return limits


Name = Annotated[str, BeforeValidator(_name), Field(min_length=1)]
Names = Annotated[tuple[Name, ...], Field(min_length=2), AfterValidator(_distinct)]
Labels = Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(_distinct), AfterValidator(_listable)]


class ValueKind(Declared):
    """A task whose column holds values."""

    @abstractmethod
    def task(self, name: str) -> tasks.Task:
        """The task itself."""

    @abstractmethod
    def encode(self, cells: pa.Array) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Cells (N,) as compact values (N, ...), and which of them can be used; what empty ones give is ignored."""

    @abstractmethod
    def target(self, value: Any) -> Tensor:
        """One compact value as the task's target."""

    @abstractmethod
    def complain(self, name: str, cell: str) -> str:
        """What is wrong with a cell that cannot be used."""


class ClassificationKind(ValueKind):
    """One class of several, by name."""

    classes: Names

    def task(self, name: str) -> tasks.Task:
        return tasks.Classification(name, self.classes)

    def encode(self, cells: pa.Array) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        codes = pc.index_in(cells, value_set=pa.array(self.classes))
        usable = codes.is_valid().to_numpy(zero_copy_only=False)
        return codes.fill_null(0).to_numpy().astype(np.min_scalar_type(len(self.classes))), usable

    def target(self, value: Any) -> Tensor:
        return torch.tensor(int(value))

    def complain(self, name: str, cell: str) -> str:
        return str(unknown(f"class of {name}", cell, self.classes))


class OrdinalKind(ClassificationKind):
    """One of several classes that stand in an order, by name."""

    def task(self, name: str) -> tasks.Task:
        return tasks.Ordinal(name, self.classes)


class MultiLabelKind(ValueKind):
    """Any of several labels: their names, separated by semicolons, or `-` for none of them."""

    labels: Labels

    def task(self, name: str) -> tasks.Task:
        return tasks.MultiLabel(name, self.labels)

    def encode(self, cells: pa.Array) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values are bits, eight labels to the byte."""
        found = pc.split_pattern(cells, ";")
        rows = pc.list_parent_indices(found).to_numpy()
        names = pc.utf8_trim(pc.list_flatten(found), BLANKS)
        codes = pc.index_in(names, value_set=pa.array(self.labels))
        known = codes.is_valid().to_numpy(zero_copy_only=False)
        none = pc.equal(cells, NONE).to_numpy(zero_copy_only=False)
        usable = np.ones(len(cells), bool)
        usable[rows[~known]] = False
        marks = np.zeros((len(cells), len(self.labels)), bool)
        marks[rows[known], codes.drop_null().to_numpy()] = True
        return np.packbits(marks, axis=1), usable | none

    def target(self, value: Any) -> Tensor:
        return torch.from_numpy(np.unpackbits(value, count=len(self.labels)).astype(np.int64))

    def complain(self, name: str, cell: str) -> str:
        stray = next(label for part in cell.split(";") if (label := part.strip(BLANKS)) not in self.labels)
        return str(unknown(f"label of {name}", stray, (*self.labels, NONE)))


class RegressionKind(ValueKind):
    """A number within a range."""

    range: Annotated[tuple[float, float], AfterValidator(_rising)]
    unit: str = ""

    def task(self, name: str) -> tasks.Task:
        return tasks.Regression(name, *self.range, unit=self.unit)

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
