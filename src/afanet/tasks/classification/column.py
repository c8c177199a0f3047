"""Labels of classification: the class's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from afanet.errors import unknown
from afanet.tasks.classification.task import Classification
from afanet.tasks.column import Names, Swap, ValueColumn
from afanet.tasks.task import Task


class ClassificationColumn(ValueColumn):
    """One class of several, by name."""

    example: ClassVar[Mapping[str, Any]] = {"classes": ["hall", "attic", "cellar"]}

    remark: ClassVar[str] = "all classes that can occur, also those that no image has yet"
    classes: Names
    swap: Swap = Field({})

    def task(self, name: str) -> Task:
        return Classification(name, self.classes)

    def encode(self, cells: pa.Array) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        codes = pc.index_in(cells, value_set=pa.array(self.classes))
        usable = codes.is_valid().to_numpy(zero_copy_only=False)
        return codes.fill_null(0).to_numpy().astype(np.min_scalar_type(len(self.classes))), usable

    def target(self, value: Any) -> Tensor:
        return torch.tensor(int(value))

    def complain(self, name: str, cell: str) -> str:
        return str(unknown(f"class of {name}", cell, self.classes))
