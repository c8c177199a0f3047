"""Fills tables of labels: reads rows one by one, and keeps everything that does not change."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.install import missing_package

FIRST = ("image", "split")  # the columns that every table has
LONGEST = 1 << 18  # characters of a row with line breaks
QUOTES = r'"(?:[^"]|"")*"[^,]*'
# A cell in quotes, a cell whose quotes do not end here, or all text up to the next comma.
CELL = re.compile(rf'{QUOTES}|"(?:[^"]|"")*\Z|[^,]*')
QUOTED = re.compile(r'[",\r\n]')
REMEDY = "save it as CSV, separated by commas, in UTF-8"


@dataclass(frozen=True)
class Row:
    """A row of a table: its place in words, its cells by column, and its raw form in the file."""

    location: str
    cells: Mapping[str, str]
    raw: Any = None


Change = tuple[Row, dict[str, str]]  # a row, and its new cells


class Table(ABC):
    """A table in the file `path`, whose `header` names the columns; a `new` table has no rows and no file yet."""

    def __init__(self, path: Path, new: bool = False) -> None:
        self.path, self.new = path, new
        try:
            self.header = self._read_header()
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from None
        for name in FIRST:
            if self.header.count(name) != 1:
                raise InputError(
                    f"{path} has {self.header.count(name)} columns '{name}', expected one: it is not a table of images"
                )
        if twice := [name for name in self.header if self.header.count(name) > 1]:
            raise InputError(f"{path} has the column '{twice[0]}' {self.header.count(twice[0])} times: keep one")

    def rows(self) -> Iterator[Row]:
        """The rows, in order; raises `InputError` if the file cannot be read."""
        try:
            if not self.new:
                yield from self._read_rows()
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from None

    @abstractmethod
    def write(self, file: Path, columns: list[str], changes: Iterable[Change]) -> None:
        """Write the table with its `changes` and some more `columns` into another file."""

    @abstractmethod
    def _read_header(self) -> list[str]: ...

    @abstractmethod
    def _read_rows(self) -> Iterator[Row]: ...

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(f"{self.path} cannot be read ({getattr(error, 'strerror', None) or error}): correct it")


class CsvTable(Table):
    """Text separated by commas; rows and cells that do not change keep their bytes."""

    def _read_header(self) -> list[str]:
        self.head = ",".join(FIRST) + "\n"
        if not self.new:
            with self._open() as stream:
                self.head = next(self._records(stream), "")
        self.line_end = "\r\n" if self.head.endswith("\r\n") else "\n"
        text = self.head.rstrip("\r\n").removeprefix("\ufeff")
        return [_value(text[start:end]) for start, end in _spans(text)]

    def _open(self) -> TextIO:
        return require_regular(self.path).open(encoding="utf-8", newline="")

    def _records(self, stream: TextIO) -> Iterator[str]:
        """The rows as text, each with its line end; a line break within quotes does not end a row."""
        record, begun = "", 1
        for number, line in enumerate(stream, 1):
            record, begun = record + line, begun if record else number
            if record.count('"') % 2 and _is_open(record):
                if len(record) > LONGEST:
                    raise InputError(f"{self.path}, line {begun}, has quotes that never end: {REMEDY}")
                continue
            yield record
            record = ""
        if record:
            raise InputError(f"{self.path}, line {begun}, has quotes that never end: {REMEDY}")

    def _read_rows(self) -> Iterator[Row]:
        with self._open() as stream:
            records = self._records(stream)
            next(records, None)
            for number, record in enumerate(records, 2):
                text = record.rstrip("\r\n")
                values = [_value(text[start:end]) for start, end in _spans(text)] if text else []
                if values and len(values) != len(self.header):
                    raise InputError(
                        f"{self.path}, line {number}, has {len(values)} cells, expected {len(self.header)} as in its "
                        "first line: correct it, or put cells with commas in quotes"
                    )
                yield Row(f"line {number}", dict(zip(self.header, values, strict=False)), record)

    def write(self, file: Path, columns: list[str], changes: Iterable[Change]) -> None:
        with file.open("w", encoding="utf-8", newline="") as out:
            ended = self._put(out, self.head, dict(zip(columns, columns, strict=True)), columns)
            for row, cells in changes:
                if not ended:
                    out.write(self.line_end)
                if row.raw is None:
                    whole = {**row.cells, **cells}
                    names = [*self.header, *columns]
                    out.write(",".join(_quoted(whole.get(name, "")) for name in names) + self.line_end)
                    ended = True
                else:
                    ended = self._put(out, row.raw, cells, columns)

    def _put(self, out: TextIO, record: str, cells: Mapping[str, str], columns: list[str]) -> bool:
        """Write a row with new cells; returns whether it ends its line. An empty line stays empty."""
        text = record.rstrip("\r\n")
        end = record[len(text) :]
        if text and (cells or columns):
            spans = _spans(text)
            parts = [text[start:stop] for start, stop in spans]
            for index, name in enumerate(self.header[: len(parts)]):
                if name in cells and name not in columns:
                    parts[index] = _quoted(cells[name])
            text = ",".join([*parts, *(_quoted(cells.get(name, "")) for name in columns)])
        out.write(text + end)
        return bool(end)


def open_table(path: Path, new: bool = False) -> Table:
    """The table at `path`, CSV or Parquet; raises `InputError` for another file, and for Parquet without pyarrow."""
    if (suffix := path.suffix.lower()) not in (".csv", ".parquet"):
        raise InputError(f"{path} has an unknown type, expected a .csv or a .parquet file: give another --out")
    if suffix == ".csv":
        return CsvTable(path, new)
    try:
        from afanet.labelling.parquet import ParquetTable
    except ModuleNotFoundError:
        raise InputError(missing_package("pyarrow", "train")) from None
    return ParquetTable(path, new)


def _spans(text: str) -> list[tuple[int, int]]:
    """Where each cell of a row begins and ends.

    >>> [_value('a,"b, c",'[start:end]) for start, end in _spans('a,"b, c",')]
    ['a', 'b, c', '']
    """
    spans, start = [], 0
    while match := CELL.match(text, start):
        spans.append((start, match.end()))
        if match.end() >= len(text):
            break
        start = match.end() + 1
    return spans


def _is_open(record: str) -> bool:
    """Whether a row ends within quotes."""
    start, _ = _spans(record)[-1]
    cell = record[start:]
    return cell.startswith('"') and re.fullmatch(QUOTES, cell) is None


def _value(cell: str) -> str:
    if cell.startswith('"') and (match := re.fullmatch(r'"((?:[^"]|"")*)"([^,]*)', cell)):
        return match[1].replace('""', '"') + match[2]
    return cell


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if QUOTED.search(value) else value
