"""Checks that the column of a kind reads a result that is written as a label."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from torch import Tensor

from afanet.declared import declare
from afanet.tasks.column import FileColumn, ValueColumn
from afanet.tasks.kinds import Kind
from afanet.tasks.label import AsLabel, LabelFile
from afanet.tasks.result import Result
from afanet.tasks.task import Task


def label_faults(kind: Kind, task: Task, result: Result) -> list[str]:
    """The rules of `AsLabel` that a result breaks, as sentences; none for a kind without labels."""
    if type(result).as_label is AsLabel.as_label:
        return []
    column = declare(kind.column_class, result.declaration, "the result's declaration")
    label = result.as_label()
    faults = []
    if isinstance(column, ValueColumn):
        if not isinstance(label, str):
            return ["as_label gives text, since its labels are cells"]
        values, usable = column.encode(pa.array([label]))
        if not usable.all():
            return ["its column reads what as_label gives"]
        target = column.target(values[0])
    else:
        if not isinstance(label, LabelFile) or not isinstance(column, FileColumn):
            return ["as_label gives a LabelFile, since its labels are files"]
        with TemporaryDirectory() as folder:
            file = Path(folder) / f"label{label.suffix}"
            file.write_bytes(label.content)
            target = column.read(file)
    if task.fault(target.as_subclass(Tensor)) or not task.labelled(target.as_subclass(Tensor)).any():
        faults.append("its column reads what as_label gives as a labelled target without a fault")
    sure = result.confidence(result if result.compared else None)
    if sure is not None and not bool(((np.asarray(sure) >= 0) & (np.asarray(sure) <= 1)).all()):
        faults.append("its confidence is from 0 to 1")
    return faults
