"""Finds the column of a table that names the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from afanet.data.intake.guesses.values import words
from afanet.data.intake.tables.headers import IMAGE_WORDS
from afanet.data.intake.tables.names import ImageNames
from afanet.data.intake.tables.sheet import Sheet, open_sheet

LOOKED_AT = 1 << 15  # rows; all rows if these name no image
LEAST = 0.1  # share of the rows that must name an image, unless the column's name says that it does


@dataclass(frozen=True)
class Fit:
    """A table, and the number of the `column` that names images.

    In the rows that were looked at, the column has `named` different cells, which mean `found` images.
    """

    sheet: Sheet
    column: int
    names: ImageNames
    found: int
    named: int


def fit_table(path: Path, root: Path, images: Sequence[str]) -> Fit | None:
    """How a table fits `images`, which are relative to `root`; None if no column names any of them.

    Raises `InputError` if the table cannot be read.
    """
    sheet = open_sheet(path)
    below = path.parent.relative_to(root).as_posix() + "/" if path.parent != root else ""
    for numbers in (False, True):
        names = ImageNames(images, below, numbers)
        headless = any(names.find(name) >= 0 for name in sheet.header if name)
        given = sheet.without_header() if headless else sheet
        for most in (LOOKED_AT, None):
            if fit := _fit(given, names, most):
                return fit
    return None


def _fit(sheet: Sheet, names: ImageNames, most: int | None) -> Fit | None:
    columns: list[list[pa.Array]] = [[] for _ in sheet.header]
    total = 0
    for batch in islice(sheet.batches(), 1 if most else None):
        total += len(batch[0])
        for kept, cells in zip(columns, batch, strict=True):
            kept.append(cells)
    ranked = []
    for number, chunks in enumerate(columns):
        distinct = pa.chunked_array(chunks, pa.string()).unique().to_pylist()
        found = len(names.found(cell for cell in distinct if cell))
        named = bool(set(words(sheet.header[number])) & IMAGE_WORDS)
        if found > LEAST * total or (found and named):
            ranked.append((found, named, -number, distinct))
    if not ranked:
        return None
    found, _, number, distinct = max(ranked, key=lambda rank: rank[:3])
    names.folders_count = any(names.names_folder(cell) for cell in islice(filter(None, distinct), 1000))
    return Fit(sheet, -number, names, found, len(distinct))
