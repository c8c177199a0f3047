"""Manifests on disk: CSV or Parquet, read in batches whose columns are text."""

from __future__ import annotations

import csv
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as arrow_parquet

from afanet.errors import InputError, unknown
from afanet.files import require_regular

BLOCK = 1 << 22  # bytes of CSV that are parsed at a time
ROWS = 1 << 16  # rows of Parquet that are decoded at a time
MOST_COLUMNS, MOST_ROWS = 10_000, 100_000_000
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class Table(ABC):
    """A manifest whose header has been read, but not its rows."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self.header = self._read_header()
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path} cannot be read ({_first_line(error)}): {self.remedy}") from None
        if len(self.header) > MOST_COLUMNS:
            raise InputError(
                f"{path} has {len(self.header):,} columns, expected at most {MOST_COLUMNS:,}: leave some out"
            )

    remedy: str

    def require(self, columns: Iterable[str]) -> None:
        """Raise `InputError` unless each of `columns` is in the header exactly once."""
        for column in columns:
            if self.header.count(column) > 1:
                raise InputError(f"{self.path} has the column '{column}' {self.header.count(column)} times: keep one")
            if column not in self.header:
                message = unknown("column", column, [name for name in self.header if name.strip()])
                raise InputError(f"{self.path} lacks a column that these tasks need: {message}")

    def batches(self, columns: Sequence[str]) -> Iterator[dict[str, pa.Array]]:
        """The named columns of all rows as arrays of strings; a missing value is an empty string."""
        try:
            yield from self._read_batches(columns)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self.path} cannot be read ({_first_line(error)}): {self.remedy}") from None

    @abstractmethod
    def locate(self, row: int) -> str:
        """The location of a row, counted from 0, in words by which a user can find it, such as `line 2`."""

    @abstractmethod
    def _read_header(self) -> list[str]: ...

    @abstractmethod
    def _read_batches(self, columns: Sequence[str]) -> Iterator[dict[str, pa.Array]]: ...


class CsvTable(Table):
    """Text separated by commas, in UTF-8 with or without a byte-order mark.

    A row counts as one line: after a line break within quotes, reported line numbers are too small.
    """

    remedy = "save it as CSV, separated by commas, in UTF-8"

    def locate(self, row: int) -> str:
        return f"line {row + 2}"

    def _read_header(self) -> list[str]:
        with self.path.open("rb") as file:
            line = re.split(rb"[\r\n]", file.readline(BLOCK), maxsplit=1)[0]
        try:
            header = next(csv.reader([line.decode("utf-8-sig")]), [])
        except (UnicodeDecodeError, csv.Error):
            raise InputError(f"{self.path}, line 1, is not CSV in UTF-8: {self.remedy}") from None
        if not header:
            raise InputError(f"{self.path} begins with an empty line, expected the names of its columns: add them")
        for sign, meaning in SEPARATORS.items():
            if len(header) == 1 and sign in header[0]:
                raise InputError(f"{self.path} is separated by {meaning}, expected commas: {self.remedy}")
        return header

    def _read_batches(self, columns: Sequence[str]) -> Iterator[dict[str, pa.Array]]:
        # One thread, so that errors name their rows; empty lines count as rows, so that rows are lines.
        read = arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK, skip_rows=1, column_names=self.header)
        parse = arrow_csv.ParseOptions(ignore_empty_lines=False)
        convert = arrow_csv.ConvertOptions(
            include_columns=columns, column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
        )
        try:
            for batch in arrow_csv.open_csv(self.path, read, parse, convert):
                yield dict(zip(columns, batch.columns, strict=True))
        except pa.ArrowInvalid as error:
            if ragged := re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", str(error)):
                line, expected, count = ragged.groups()
                raise InputError(
                    f"{self.path}, line {line}, has {count} cells, expected {expected} as in its first line: correct "
                    "it, or put cells with commas in quotes"
                ) from None
            if undecodable := re.search(r"Row #(\d+): .*invalid UTF8", str(error)):
                raise InputError(
                    f"{self.path}, line {undecodable[1]}, has bytes that are not UTF-8: {self.remedy}"
                ) from None
            raise


class ParquetTable(Table):
    """A Parquet file, whose columns may be of any type that can be written as text."""

    remedy = "write it again"

    def locate(self, row: int) -> str:
        return f"row {row + 1}"

    def _read_header(self) -> list[str]:
        with arrow_parquet.ParquetFile(self.path) as file:
            if file.metadata.num_rows > MOST_ROWS:  # so many rows may take almost no space on disk
                rows = f"{file.metadata.num_rows:,} rows, expected at most {MOST_ROWS:,}"
                raise InputError(f"{self.path} has {rows}: {self.remedy}")
            return list(file.schema_arrow.names)

    def _read_batches(self, columns: Sequence[str]) -> Iterator[dict[str, pa.Array]]:
        with arrow_parquet.ParquetFile(self.path) as file:
            for batch in file.iter_batches(ROWS, columns=list(columns), use_threads=False):
                yield {name: self._text(name, batch.column(name)) for name in columns}

    def _text(self, name: str, cells: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(cells.type):
            cells = cells.dictionary_decode()
        if pa.types.is_floating(cells.type):
            cells = cells.cast(pa.float64())
            cells = pc.if_else(pc.is_nan(cells), None, cells)  # what pandas writes for a missing number
        kinds = ("is_string", "is_large_string", "is_integer", "is_floating", "is_boolean", "is_null")
        if not any(getattr(pa.types, kind)(cells.type) for kind in kinds):
            raise InputError(f"{self.path} has column '{name}' of type {cells.type}, expected text or numbers")
        text = cells.cast(pa.string()).fill_null("")
        text.validate(full=True)  # checks for UTF-8, which Parquet does not
        return text


def open_table(path: Path) -> Table:
    """The manifest at `path`; raises `InputError` if it is missing or cannot be read."""
    kinds: dict[str, type[Table]] = {".csv": CsvTable, ".parquet": ParquetTable}
    if path.suffix.lower() not in kinds:
        raise InputError(f"manifest {path} has an unknown type, expected a .csv or a .parquet file")
    if not require_regular(path).exists():
        raise InputError(f"manifest {path} is missing: put it there, or name it with data.options.manifest")
    return kinds[path.suffix.lower()](path)


def _first_line(error: Exception) -> str:
    lines = str(getattr(error, "strerror", None) or error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
