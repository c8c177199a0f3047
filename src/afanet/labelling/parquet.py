"""Fills Parquet tables: every column keeps its type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as arrow_parquet

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.labelling.table import FIRST, Change, Row, Table
from afanet.tasks.label import CONFIDENCE

ROWS = 1 << 14  # decoded at a time


class ParquetTable(Table):
    """A Parquet file; new columns are text, except confidences, which are numbers."""

    def _read_header(self) -> list[str]:
        self.schema = pa.schema([(name, pa.string()) for name in FIRST])
        if not self.new:
            try:
                with arrow_parquet.ParquetFile(require_regular(self.path)) as file:
                    self.schema = file.schema_arrow
            except pa.ArrowException as error:
                raise self._unreadable(error) from None
        return list(self.schema.names)

    def _read_rows(self) -> Iterator[Row]:
        number = 0
        try:
            with arrow_parquet.ParquetFile(self.path) as file:
                for batch in file.iter_batches(ROWS, use_threads=False):
                    texts = {name: _texts(batch.column(name)) for name in self.header}
                    for index in range(len(batch)):
                        number += 1
                        cells = {name: values[index] for name, values in texts.items()}
                        yield Row(f"row {number}", cells, (batch, index))
        except pa.ArrowException as error:
            raise self._unreadable(error) from None

    def write(self, file: Path, columns: list[str], changes: Iterable[Change]) -> None:
        schema = self.schema
        for name in columns:
            schema = schema.append(pa.field(name, pa.float64() if name.endswith(CONFIDENCE) else pa.string()))
        with arrow_parquet.ParquetWriter(file, schema) as writer:
            for _, group in groupby(changes, lambda change: id(change[0].raw and change[0].raw[0])):
                writer.write_table(self._changed(list(group), schema))

    def _changed(self, changes: list[Change], schema: pa.Schema) -> pa.Table:
        """Consecutive rows of one batch, or new ones, with their changes."""
        kept = None
        if changes[0][0].raw is not None:
            kept = changes[0][0].raw[0].take(pa.array([row.raw[1] for row, _ in changes]))
        arrays = []
        for field in schema:
            column: Any = kept.column(field.name) if kept is not None and field.name in self.header else None
            new = [{**({} if row.raw else row.cells), **cells}.get(field.name) for row, cells in changes]
            if column is None or any(value is not None for value in new):
                old = [None] * len(new) if column is None else column.to_pylist()
                column = self._array([o if n is None else n for o, n in zip(old, new, strict=True)], field)
            arrays.append(column)
        return pa.Table.from_arrays(arrays, schema=schema)

    def _array(self, values: list[Any], field: pa.Field) -> pa.Array:
        """Values in the type of their column; new values come as text."""
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        try:
            if pa.types.is_floating(kind) or pa.types.is_integer(kind):
                whole = pa.types.is_integer(kind)
                numbers = [_number(value, whole) if isinstance(value, str) else value for value in values]
                return pa.array(numbers, kind)
            array = pa.array(values, kind)
            return array.dictionary_encode().cast(field.type) if pa.types.is_dictionary(field.type) else array
        except (pa.ArrowException, ValueError) as error:
            raise InputError(
                f"{self.path} has column '{field.name}' of type {field.type}, which cannot hold the teacher's labels "
                f"({error!s:.80}): write the column as text"
            ) from None


def _number(text: str, whole: bool) -> float | int | None:
    if not text:
        return None
    number = float(text)
    if whole and not number.is_integer():
        raise ValueError(f"{text} is not a whole number")
    return int(number) if whole else number


def _texts(cells: pa.Array) -> list[str]:
    """Cells as text; empty if a cell is missing or cannot be text."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_floating(cells.type):
        cells = pc.if_else(pc.is_nan(cells), None, cells)
    try:
        return ["" if value is None else value for value in cells.cast(pa.string()).to_pylist()]
    except pa.ArrowException:
        return [""] * len(cells)
