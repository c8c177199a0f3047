"""The cells of a table by image: finds each image's rows, and combines several rows of one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from afanet.data.intake.cells import Cells
from afanet.data.intake.tables.fit import Fit
from afanet.data.intake.tables.names import SEVERAL

Rows = NDArray[np.int64]


@dataclass
class Aligned:
    """A table's columns by image, except the column that names it; the number of images; lines on rows and images."""

    columns: dict[str, Cells]
    images: int
    notes: list[str]


def align(fit: Fit) -> Aligned:
    """Read a whole table in the order of the images.

    If an image has several rows, cells in which these differ are empty.
    """
    owners: list[Rows] = []
    chunks: list[list[pa.Array]] = [[] for _ in fit.sheet.header]
    lost = {"of which no image is there": Lost(), "of which several images may be meant": Lost()}
    for batch in fit.sheet.batches():
        cells = batch[fit.column].to_pylist()
        places = np.array([fit.names.find(cell) if cell else SEVERAL - 1 for cell in cells], np.int64)
        for kind, code in zip(lost.values(), (-1, SEVERAL), strict=True):
            kind.add(cells, places == code)
        kept = places >= 0
        owners.append(places[kept])
        for column, texts in zip(chunks, batch, strict=True):
            column.append(texts.filter(pa.array(kept)))
    rows = np.concatenate(owners) if owners else np.empty(0, np.int64)
    notes = [f"left out: {kind.count} rows {what}, such as {kind.example}" for what, kind in lost.items() if kind.count]
    present, rows, counts = np.unique(rows, return_inverse=True, return_counts=True)
    names = [fit.names.images[place] for place in present.tolist()]
    by_image = {image: place for place, image in enumerate(names)}
    columns, disputed = {}, {}
    for number, header in enumerate(fit.sheet.header):
        if number != fit.column:
            texts = pa.chunked_array(chunks[number], pa.string())
            chunks[number] = []
            columns[header], differing = _by_image(texts, rows, by_image)
            if len(differing):
                disputed[header] = differing
    if many := int((counts > 1).sum()):
        notes.append(_repeated(many, names[int((counts > 1).argmax())], disputed, names))
    if bare := len(fit.names.images) - len(names):
        without = next(image for image in fit.names.images if image not in by_image)
        notes.append(f"{bare} images have no row, such as {without}")
    return Aligned(columns, len(names), notes)


@dataclass
class Lost:
    """The number of rows that are left out, and the first of them."""

    count: int = 0
    example: str = ""

    def add(self, cells: list[str], which: NDArray[np.bool_]) -> None:
        """Count the rows of a batch."""
        self.count += int(which.sum())
        if not self.example and which.any():
            self.example = cells[int(which.argmax())][:100]


def _by_image(texts: pa.ChunkedArray, rows: Rows, by_image: dict[str, int]) -> tuple[Cells, Rows]:
    """The cell of each image, and the images whose rows disagree."""
    owned, filled = texts.combine_chunks(), pc.not_equal(texts, "").to_numpy()
    indices = np.flatnonzero(filled)
    first = np.full(len(by_image), -1, np.int64)
    first[rows[indices[::-1]]] = indices[::-1]  # the first filled row is written last
    lacking = first < 0
    cells = pc.fill_null(owned.take(pa.array(first, mask=lacking)), "")
    others = indices[first[rows[indices]] != indices]
    if not len(others):
        return Cells(by_image, cells), others
    differ = pc.not_equal(owned.take(pa.array(others)), cells.take(pa.array(rows[others])))
    disputed = np.unique(rows[others][differ.to_numpy(zero_copy_only=False)])
    mask = np.zeros(len(by_image), bool)
    mask[disputed] = True
    return Cells(by_image, pc.if_else(pa.array(mask), "", cells)), disputed


def _repeated(count: int, example: str, disputed: dict[str, Rows], names: list[str]) -> str:
    if not disputed:
        return f"{count} images have several rows, such as {example}, which agree"
    header, images = max(disputed.items(), key=lambda item: len(item[1]))
    more = f", and {len(disputed) - 1} more columns" if len(disputed) > 1 else ""
    return (
        f"{count} images have several rows, such as {example}; where these differ the cell is empty: {len(images)} in "
        f"'{header}', such as {names[int(images[0])]}{more}"
    )
