"""Reads tables from any source, CSV with any separator or Parquet, as batches of text."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as arrow_parquet

from afanet.data.sets.manifest.table import open_table
from afanet.errors import InputError
from afanet.files import require_regular

ENDINGS = (".csv", ".tsv", ".parquet")
SIGNS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
BLOCK = 1 << 20  # bytes that are checked at a time
ROWS = 1 << 15  # rows that are read at a time
LOOKED_AT = 50  # rows that decide the separator
MOST_COLUMNS = 1000
MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
REMEDY = "save it as CSV in UTF-8"


@dataclass(frozen=True)
class Sheet:
    """A table whose header has been read; `notes` has the assumptions about how to read it.

    If there is no header, columns are named by number: `column_1` and so on.
    """

    path: Path
    header: list[str]
    notes: list[str] = field(default_factory=list)
    sign: str = ","
    encoding: str = "utf-8-sig"
    headless: bool = False

    def batches(self) -> Iterator[list[pa.Array]]:
        """All columns in batches of rows, as trimmed text; raises `InputError` for a row that does not fit."""
        if self.path.suffix.lower() == ".parquet":
            for batch in open_table(self.path).batches(self.header):
                yield [batch[name] for name in self.header]
            return
        rows = _rows(self.path, self.sign, self.encoding, self.header, self.headless)
        while chunk := list(islice(rows, ROWS)):
            yield [pa.array(column, pa.string()) for column in zip(*chunk, strict=True)]

    def without_header(self) -> Sheet:
        """The same sheet, with its first row read as data."""
        names = [f"column_{number}" for number in range(1, len(self.header) + 1)]
        note = "its first row names an image, so its columns are taken to have no names"
        return replace(self, header=names, headless=True, notes=[*self.notes, note])


def open_sheet(path: Path) -> Sheet:
    """The table in a file; raises `InputError` if it cannot be read, or has a column twice."""
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"{path} has an unknown type, expected one of {', '.join(ENDINGS)}: {REMEDY}")
    try:
        sheet = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(require_regular(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from None
    if len(sheet.header) > MOST_COLUMNS:
        raise InputError(f"{path} has {len(sheet.header):,} columns, expected at most {MOST_COLUMNS:,}: leave some out")
    named = [name for name in sheet.header if name]
    if twice := next((name for name in named if named.count(name) > 1), None):
        raise InputError(f"{path} has the column '{twice[:100]}' {named.count(twice)} times: keep or rename one")
    return sheet


def _parquet(path: Path) -> Sheet:
    header, notes = [], []
    table = open_table(path)
    schema = arrow_parquet.read_schema(path)
    for name in table.header:
        kind = schema.field(name).type if table.header.count(name) == 1 else pa.string()
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        kinds = ("string", "large_string", "integer", "floating", "boolean", "null")
        if any(getattr(pa.types, f"is_{known}")(kind) for known in kinds):
            header.append(name)
        else:
            notes.append(f"its column '{name}' of {str(kind)[:40]} is left out, since it is neither text nor numbers")
    return Sheet(path, header, notes)


def _csv(path: Path) -> Sheet:
    encoding = _encoding(path)
    notes = [] if encoding == "utf-8-sig" else ["it is not UTF-8, and is read as Windows-1252 (cp1252)"]
    with path.open(encoding=encoding, newline="") as file:
        first = file.readline(BLOCK)
    said = first.strip()[4:5] if first.lower().startswith("sep=") else ""
    sign = said if said in SIGNS else _sign(path, encoding)
    if sign != ",":
        notes.append(f"its cells are separated by {SIGNS[sign]}")
    try:
        header = next(_reader(path, sign, encoding), [])
    except csv.Error as error:
        raise _broken(path, 1, error) from None
    if not any(name.strip() for name in header):
        raise InputError(f"{path} begins with an empty line, expected the names of its columns: add them")
    return Sheet(path, [name.strip() for name in header], notes, sign, encoding)


def _encoding(path: Path) -> str:
    """UTF-8, or Windows-1252 if the file is not UTF-8; raises `InputError` if it is not text, or is cut short."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    beyond_ascii, lines = False, 1
    with path.open("rb") as file:
        head = file.read(BLOCK)
        if mark := next((meaning for mark, meaning in MARKS.items() if head.startswith(mark)), None):
            raise InputError(f"{path} is in {mark}, expected UTF-8: {REMEDY}")
        if not head.strip(codecs.BOM_UTF8 + b" \t\r\n"):
            raise InputError(f"{path} is empty, expected a table with names in its first line")
        block = head
        while block:
            if b"\0" in block:
                line = lines + block[: block.index(b"\0")].count(b"\n")
                raise InputError(f"{path}, line {line}, has a zero byte, which text never has: {REMEDY}")
            try:
                beyond_ascii = beyond_ascii or not decoder.decode(block).isascii()
            except UnicodeDecodeError as error:
                line = lines + error.object[: error.start].count(b"\n")
                if beyond_ascii or not error.object[: error.start].decode().isascii():
                    raise InputError(f"{path}, line {line}, has bytes that are not UTF-8: {REMEDY}") from None
                return _windows(path)
            lines += block.count(b"\n")
            block = file.read(BLOCK)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        if beyond_ascii:
            raise InputError(f"{path} ends within a character: it is cut short, copy it again") from None
        return _windows(path)
    return "utf-8-sig"


def _windows(path: Path) -> str:
    with path.open(encoding="cp1252", newline="") as file:
        try:
            while file.read(BLOCK):
                pass
        except UnicodeDecodeError:
            raise InputError(f"{path} is not text in UTF-8 or Windows-1252: {REMEDY}") from None
    return "cp1252"


def _sign(path: Path, encoding: str) -> str:
    """The separator that occurs equally often in all rows; if there are several, the most frequent."""
    fits: dict[str, tuple[bool, int]] = {}
    for sign in SIGNS:
        counts: list[int] = []
        with suppress(csv.Error):  # faults are reported when the table is read
            counts += map(len, islice(_reader(path, sign, encoding), LOOKED_AT))
        fits[sign] = (len(set(counts)) == 1 and counts[0] > 1, counts[0] if counts else 0)
    return max(fits, key=fits.__getitem__)


def _reader(path: Path, sign: str, encoding: str) -> Iterator[list[str]]:
    return (row for _, row in _numbered(path, sign, encoding))


def _numbered(path: Path, sign: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of its last line."""
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=sign, strict=True)
        for row in reader:
            if row and not (reader.line_num == 1 and row[0].lower().startswith("sep=")):
                yield reader.line_num, row


def _rows(path: Path, sign: str, encoding: str, header: Sequence[str], headless: bool) -> Iterator[list[str]]:
    width, line, names = len(header), 0, list(header)
    rows = _numbered(path, sign, encoding)
    while True:
        try:
            line, row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise _broken(path, line + 1, error) from None
        while len(row) > width and not row[-1].strip():
            row.pop()
        if len(row) != width:
            raise InputError(
                f"{path}, line {line}, has {len(row)} cells, expected {width} as in its first line: correct it, put "
                f"cells with {SIGNS[sign]} in quotes, or copy it again if it is cut short"
            )
        cells = [cell.strip() for cell in row]
        if headless or cells != names:
            yield cells


def _broken(path: Path, line: int, error: csv.Error) -> InputError:
    return InputError(
        f"{path} cannot be read from line {line} on ({str(error)[:80]}): close its quotes, or copy it again if it is "
        "cut short"
    )
