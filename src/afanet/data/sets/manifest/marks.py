"""Which labels of a manifest a network has given, and with which confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from afanet.data.sets.manifest.kinds import COLUMNS
from afanet.data.sets.manifest.table import Table
from afanet.errors import unknown
from afanet.tasks.column import Bools
from afanet.tasks.label import CONFIDENCE, MACHINE

if TYPE_CHECKING:
    from afanet.data.sets.manifest.rows import Problems, Rows

NUMBER = r"^(0(\.[0-9]*)?|1(\.0*)?|\.[0-9]+|[0-9](\.[0-9]*)?[eE]-[0-9]+)$"  # from 0 to 1


class Marks:
    """The columns `machine_made` and `TASK_confidence` of a table, read batch by batch.

    `columns` are those of them that exist. Without `machine_made`, nothing is read.
    """

    def __init__(self, table: Table, tasks: Sequence[str]) -> None:
        rated = [name for name in tasks if f"{name}{CONFIDENCE}" in table.header]
        self.columns = [MACHINE, *(f"{name}{CONFIDENCE}" for name in rated)] if MACHINE in table.header else []
        self.names = [name for name in table.header if name not in COLUMNS]
        table.require(self.columns)
        self.made: dict[str, list[Bools]] = {name: [] for name in tasks if self.columns}
        self.sure: dict[str, list[NDArray[np.float32]]] = {name: [] for name in rated if self.columns}

    def read(self, row: int, batch: Mapping[str, pa.Array], problems: Problems) -> None:
        """Read a batch that begins at `row`, and note its problems."""
        if not self.columns:
            return
        cells = batch[MACHINE]
        parts = pc.split_pattern(cells, ";")
        rows = pc.list_parent_indices(parts).to_numpy()
        names = pc.utf8_trim_whitespace(pc.list_flatten(parts))
        for name, made in self.made.items():
            marked = np.zeros(len(cells), bool)
            marked[rows[pc.equal(names, name).to_numpy(zero_copy_only=False)]] = True
            made.append(marked)
        known = pc.is_in(names, value_set=pa.array([*self.names, ""])).to_numpy(zero_copy_only=False)
        bad = np.zeros(len(cells), bool)
        bad[rows[~known]] = True
        problems.add(row, cells, bad, self._complain)
        for name, sure in self.sure.items():
            column = batch[f"{name}{CONFIDENCE}"]
            usable = pc.match_substring_regex(column, NUMBER)
            numbers = (
                pc.if_else(usable, column, None).cast(pa.float32()).fill_null(np.nan).to_numpy(zero_copy_only=False)
            )
            sure.append(numbers)
            wrong = np.isnan(numbers) & pc.not_equal(column, "").to_numpy(zero_copy_only=False)
            problems.add(row, column, wrong, partial(_complain_of_confidence, name))

    def of(self, task: str) -> dict[str, Any]:
        """For each row, whether a network has `made` the label of a task, and its `confidence`, NaN if unknown."""
        made, sure = self.made.get(task), self.sure.get(task)
        return {
            "made": np.concatenate(made) if made else None,
            "confidence": np.concatenate(sure) if sure else None,
        }

    def _complain(self, cell: str) -> str:
        stray = next(name for part in cell.split(";") if (name := part.strip()) not in (*self.names, ""))
        return f"{MACHINE} names tasks whose labels a network has given: {unknown('column', stray, self.names)}"


def _complain_of_confidence(task: str, cell: str) -> str:
    return f"{task}{CONFIDENCE} is '{cell}', expected a confidence from 0 to 1"


def machine_made(rows: Rows) -> dict[str, dict[str, dict[str, float]]]:
    """By split and task, the number of labels from a network (`machine_made`) and their mean `confidence`."""
    counts: dict[str, dict[str, dict[str, float]]] = {}
    for split, numbers in rows.splits.items():
        for name, labels in rows.labels.items():
            if labels.made is None or not (made := numbers[(labels.made & labels.labelled)[numbers]]).size:
                continue
            count: dict[str, float] = {"machine_made": len(made)}
            sure = labels.confidence[made] if labels.confidence is not None else np.empty(0)
            if (known := sure[np.isfinite(sure)]).size:
                count["confidence"] = float(known.mean(dtype=np.float64))
            counts.setdefault(split, {})[name] = count
    return counts


def held_out_warnings(counts: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """A sentence for each task that is scored on labels that a network has given."""
    return [
        f"split {split} has {count['machine_made']} labels of {name} that a network has given: scores on them only say "
        "how alike two networks are, so leave them empty"
        for split, tasks in counts.items()
        if split != "train"
        for name, count in tasks.items()
    ]
