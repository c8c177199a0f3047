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
from afanet.tasks.multi_label.task import MultiLabel
from afanet.tasks.task import Task

NONE = "-"  # an image that has no label at all
BLANKS = " \t"  # that may surround a label
OTHER_SEPARATORS = r"[,|/+&\s]+(?:and\s+)?"  # that people write between labels


def _listable(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if ";" in name or name in (NONE, "") or name != name.strip(BLANKS):
            raise ValueError(f"in which '{name}' cannot be told apart from the signs of a list, ';' and '{NONE}'")
    return names


Labels = Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(distinct), AfterValidator(_listable)]


class MultiLabelColumn(ValueColumn):
    """Any of several labels: their names, separated by semicolons, or `-` for none of them."""

    example: ClassVar[Mapping[str, Any]] = {"labels": ["sunny", "wet"]}

    labels: Labels
    swap: Swap = Field({})

    def task(self, name: str) -> Task:
        return MultiLabel(name, self.labels)

    def encode(self, cells: pa.Array) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values are bits, eight labels to the byte."""
        parts = pc.split_pattern(cells, ";")
        rows = pc.list_parent_indices(parts).to_numpy()
        names = pc.utf8_trim(pc.list_flatten(parts), BLANKS)
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
        parts = re.split(OTHER_SEPARATORS, stray)
        if len(parts) > 1 and all(part in self.labels for part in parts):
            return f"{name} is '{cell}', expected ';' between labels, such as '{';'.join(parts)}'"
        between = "; labels are separated by ';'" if len(parts) > 1 else ""
        return f"{unknown(f'label of {name}', stray, (*self.labels, NONE))}{between}"
