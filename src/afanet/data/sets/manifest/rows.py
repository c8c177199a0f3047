"""A manifest's rows as compact columns, and their problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from afanet.data.sets.manifest.marks import Marks
from afanet.data.sets.manifest.table import Table
from afanet.tasks.column import Bools, Column, complain_of_path, usable_paths

LISTED = 1000  # most problems that are listed as sentences
SPLITS = {"train": 0, "validation": 1, "val": 1, "test": 2}
NO_SPLIT, BARE = 255, 254  # rows of no split; rows of the training split without a label


@dataclass(frozen=True)
class Labels:
    """A task's values by row, and which rows have one: a numpy array, or paths as Arrow strings.

    `made` says which labels a network has given, and `confidence` how sure it was, NaN if unknown; None if there are
    no such labels.
    """

    column: Column
    values: Any
    labelled: Bools
    made: Bools | None = None
    confidence: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Rows:
    """All rows of a manifest; `splits` has the numbers of each split's usable rows, int64 arrays.

    `bare` has the numbers of training rows without any label.
    """

    images: pa.ChunkedArray
    groups: pa.ChunkedArray | None
    labels: dict[str, Labels]
    splits: dict[str, Any]
    bare: Any
    unlabelled: int
    problems: list[str]


@dataclass
class Problems:
    """Sentences for the first problems, and the count of all problems."""

    table: Table
    sentences: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, first: int, cells: pa.Array, bad: Bools, complain: Callable[[str], str]) -> None:
        """Note every `bad` cell of a batch that begins at row `first`."""
        self.count += int(bad.sum())
        for index in np.flatnonzero(bad)[: LISTED - len(self.sentences)].tolist():
            location = self.table.locate(first + index)
            self.sentences.append(f"{self.table.path}, {location}: {complain(_shown(cells[index].as_py()))}")

    def all(self) -> list[str]:
        """The sentences, and a last one that counts the remaining problems."""
        more = self.count - len(self.sentences)
        return self.sentences + [f"{self.table.path}: {more} more cells that cannot be used"] * (more > 0)


def read_rows(table: Table, columns: Mapping[str, Column]) -> Rows:
    """Read a whole manifest, keeping only what the labels of each row need.

    Raises `InputError` if the file cannot be read or lacks a column. A cell that cannot be used is listed in `problems`
    and counts as empty.
    """
    table.require(["image", "split", *columns])
    grouped, problems, marks = "group" in table.header, Problems(table), Marks(table, list(columns))
    images, groups, splits, row, wanting = [], [], [], 0, 0
    values: dict[str, list[Any]] = {name: [] for name in columns}
    labelled: dict[str, list[Bools]] = {name: [] for name in columns}
    for batch in table.batches(["image", "split", *(["group"] if grouped else []), *columns, *marks.columns]):
        marks.read(row, batch, problems)
        blank = np.logical_and.reduce([_empty(cells) for cells in batch.values()])
        paths = ~_empty(batch["image"]) & usable_paths(batch["image"])
        problems.add(row, batch["image"], ~paths & ~blank, partial(complain_of_path, "image"))
        split = _codes(batch["split"])
        problems.add(row, batch["split"], (split == NO_SPLIT) & ~blank, _complain_of_split)
        some = np.zeros(len(paths), bool)
        for name, column in columns.items():
            cells, empty = batch[name], _empty(batch[name])
            encoded, usable = column.encode(cells)
            problems.add(row, cells, ~empty & ~usable, partial(column.complain, name))
            values[name].append(encoded)
            labelled[name].append(~empty & usable)
            some |= labelled[name][-1]
        wanting += int((~some & ~blank).sum())
        images.append(batch["image"])
        groups.append(batch["group"] if grouped else None)
        splits.append(_usable_splits(split, paths, some))
        row += len(paths)
    codes = _joined(splits, np.uint8)
    return Rows(
        images=pa.chunked_array(images, pa.string()),
        groups=pa.chunked_array(groups, pa.string()) if grouped else None,
        labels={
            name: Labels(column, _joined(values[name], np.uint8), _joined(labelled[name], np.bool_), **marks.of(name))
            for name, column in columns.items()
        },
        splits={name: np.flatnonzero(codes == SPLITS[name]) for name in ("train", "validation", "test")},
        bare=np.flatnonzero(codes == BARE),
        unlabelled=wanting,
        problems=problems.all(),
    )


def _shown(cell: str) -> str:
    """A cell for a one-line message: shortened, with unprintable characters spelt out."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in cell[:100])


def _empty(cells: pa.Array) -> Bools:
    empty: Bools = pc.equal(cells, "").to_numpy(zero_copy_only=False)
    return empty


def _codes(cells: pa.Array) -> NDArray[np.uint8]:
    known = pc.index_in(cells, value_set=pa.array(SPLITS)).fill_null(len(SPLITS)).to_numpy()
    codes: NDArray[np.uint8] = np.array([*SPLITS.values(), NO_SPLIT], np.uint8)[known]
    return codes


def _usable_splits(split: NDArray[np.uint8], paths: Bools, some: Bools) -> NDArray[np.uint8]:
    """The split of each row with an image and a label; training rows that only have an image are `BARE`."""
    codes: NDArray[np.uint8] = np.where(some, split, np.where(split == SPLITS["train"], BARE, NO_SPLIT))
    return np.where(paths, codes, np.uint8(NO_SPLIT))


def _complain_of_split(cell: str) -> str:
    return f"split is '{cell}', expected train, validation (or val) or test"


def _joined(chunks: list[Any], empty: Any) -> Any:
    if not chunks:
        return np.empty(0, empty)
    return pa.chunked_array(chunks) if isinstance(chunks[0], pa.Array) else np.concatenate(chunks)
