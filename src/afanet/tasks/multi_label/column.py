"""Labels of multi-label classification: names in a list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator, Field
from torch import Tensor

from afanet.errors import unknown
from afanet.tasks.column import Name, Swap, ValueColumn, distinct
from afanet.tasks.multi_label.metrics import UNLABELLED
from afanet.tasks.multi_label.task import MultiLabel
from afanet.tasks.task import Task

NONE = "-"  # an image that has no label at all
UNKNOWN = "?"  # after a label that is unknown; alone, if all are
BLANKS = " \t"  # that may surround a label
OTHER_SEPARATORS = r"[,|/+&\s]+(?:and\s+)?"  # that people write between labels


def _listable(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if ";" in name or name in (NONE, UNKNOWN, "") or name != name.strip(BLANKS):
            raise ValueError(
                f"in which '{name}' cannot be told apart from the signs of a list, ';', '{NONE}' and '{UNKNOWN}'"
            )
        if name + UNKNOWN in names:
            raise ValueError(f"in which '{name}{UNKNOWN}' cannot be told apart from '{name}' that is unknown")
    return names


Labels = Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(distinct), AfterValidator(_listable)]


class MultiLabelColumn(ValueColumn):
    """Any of several labels: their names, separated by semicolons, or `-` for none of them.

    `wet?` says that it is unknown whether the image is wet. Labels that are not named are off. A `?` alone means that
    all are unknown.
    """

    example: ClassVar[Mapping[str, Any]] = {"labels": ["sunny", "wet"]}

    labels: Labels
    swap: Swap = Field({})

    def task(self, name: str) -> Task:
        return MultiLabel(name, self.labels)

    def encode(self, cells: pa.Array) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values are two bits a label: first whether each is on, then whether each is unknown."""
        parts = pc.split_pattern(cells, ";")
        rows = pc.list_parent_indices(parts).to_numpy()
        names = pc.utf8_trim(pc.list_flatten(parts), BLANKS)
        codes = pc.index_in(names, value_set=pa.array([*self.labels, *self._doubtful]))
        named = codes.is_valid().to_numpy(zero_copy_only=False)
        none, unknown = (pc.equal(cells, sign).to_numpy(zero_copy_only=False) for sign in (NONE, UNKNOWN))
        usable = np.ones(len(cells), bool)
        usable[rows[~named]] = False
        marks = np.zeros((len(cells), 2 * len(self.labels)), bool)
        marks[rows[named], codes.drop_null().to_numpy()] = True
        usable[(marks[:, : len(self.labels)] & marks[:, len(self.labels) :]).any(1)] = False
        marks[unknown, len(self.labels) :] = True
        return np.packbits(marks, axis=1), usable | none | unknown

    @property
    def _doubtful(self) -> list[str]:
        return [label + UNKNOWN for label in self.labels]

    def target(self, value: Any) -> Tensor:
        on, unknown = np.unpackbits(value, count=2 * len(self.labels)).reshape(2, -1).astype(np.int64)
        return torch.from_numpy(np.where(unknown == 1, UNLABELLED, on))

    def complain(self, name: str, cell: str) -> str:
        given = [part.strip(BLANKS) for part in cell.split(";")]
        known = {*self.labels, *self._doubtful}
        if known.issuperset(given):
            both = next(label for label in self.labels if {label, label + UNKNOWN} <= set(given))
            return f"{name} is '{cell}', in which '{both}' is on and unknown, expected one of the two"
        stray = next(label for label in given if label not in known)
        parts = re.split(OTHER_SEPARATORS, stray)
        if len(parts) > 1 and known.issuperset(parts):
            return f"{name} is '{cell}', expected ';' between labels, such as '{';'.join(parts)}'"
        between = "; labels are separated by ';'" if len(parts) > 1 else ""
        return f"{unknown(f'label of {name}', stray, (*self.labels, NONE))}{between}"
