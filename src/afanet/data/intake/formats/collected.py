"""Collects the content of annotation files in a temporary database, so that memory stays bounded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.data.intake.formats.shapes import Runs, ShapeError, area_of
from afanet.data.intake.formats.tally import Tally

RING = "ring"
TABLES = """
create table images (id integer primary key, path text unique, height int, width int, split text, file int,
    labelled int default 0, mask text);
create table keys (file int, key text, image int, primary key (file, key)) without rowid;
create table shapes (image int, label int, layer int, area real, form text, box text, data blob);
create table boxes (image int, label int, primary key (image, label)) without rowid;
create table cells (name text, image int, value text, primary key (name, image)) without rowid;
"""
OUTSIDE = "polygons reach outside of their images and are cut off there"
SMALL = "polygons of fewer than three points are left out"


class Collected:
    """Images, their shapes and their other labels; `faults` make a file unusable, `notes` are for the user to read.

    `colours` has the colours of labels, if a file gives them.
    """

    def __init__(self) -> None:
        self.database = sqlite3.connect("")  # a file that SQLite removes itself
        self.database.executescript(TABLES)
        self.faults, self.notes = Tally(), Tally()
        self.labels: dict[str, int] = {}
        self.colours: dict[str, tuple[int, int, int]] = {}

    def label(self, name: str) -> int:
        """The number of a label, in the order of first appearance."""
        return self.labels.setdefault(name, len(self.labels))

    def add_image(self, path: str, size: tuple[int, int], split: str | None, file: int) -> int | None:
        """The number of an image of (height, width) pixels that a file lists; None, with a fault, if listed twice."""
        query = "select id, height, width, split, file from images where path = ?"
        if known := self.database.execute(query, (path,)).fetchone():
            if known[4] == file:
                self.faults.add("images that are listed twice", path)
            elif known[3] != split:
                self.faults.add("images that are in two splits", path)
            elif known[1:3] != size:
                self.faults.add("images whose size differs between two files", path)
            else:
                return int(known[0])
            return None
        values = (path, *size, split, file)
        insert = "insert into images (path, height, width, split, file) values (?, ?, ?, ?, ?)"
        return self.database.execute(insert, values).lastrowid

    def add_key(self, file: int, key: str, image: int | None) -> bool:
        """Note which image a file calls `key`, None for one that is left out; returns whether the key is new."""
        insert = "insert or ignore into keys values (?, ?, ?)"
        return self.database.execute(insert, (file, key, image)).rowcount > 0

    def find(self, file: int, key: str) -> tuple[int | None, int, int] | None:
        """The number, height and width of the image that a file calls `key`; None if the file lists none."""
        query = "select image, height, width from keys left join images on id = image where keys.file = ? and key = ?"
        row: tuple[int | None, int, int] | None = self.database.execute(query, (file, key)).fetchone()
        return row

    def set_labelled(self, image: int | None = None, file: int | None = None) -> None:
        """Note that the shapes of an image, or of all images in a file, are complete: the rest is background."""
        self.database.execute("update images set labelled = 1 where id = ?", (image,))
        within = "update images set labelled = 1 where id in (select image from keys where file = ?)"
        self.database.execute(within, (file,))

    def add_rings(
        self, image: int, size: tuple[int, int], label: int, rings: Sequence[NDArray[np.float64]], layer: int = 0
    ) -> None:
        """Add the polygons of one shape in an image of (height, width) pixels."""
        whole = [ring for ring in rings if len(ring) >= 3]
        self.notes.add(SMALL, count=len(rings) - len(whole))
        height, width = size
        area = sum(map(area_of, whole))
        for ring in whole:
            if (ring < -0.5).any() or (ring > [width + 0.5, height + 0.5]).any():  # half a pixel is rounding
                self.notes.add(OUTSIDE)
            self._add_shape(image, label, layer, area, RING, "", ring.tobytes())

    def add_runs(
        self, image: int, label: int, runs: Runs, box: tuple[int, int, int, int], order: str, layer: int = 0
    ) -> None:
        """Add a mask: runs over a box (top, left, height, width)."""
        place = " ".join(map(str, box))
        self._add_shape(image, label, layer, float(runs[1::2].sum()), order, place, runs.tobytes())

    def _add_shape(self, *values: Any) -> None:
        self.database.execute("insert into shapes values (?, ?, ?, ?, ?, ?, ?)", values)

    def add_box(self, image: int, label: int) -> None:
        """Note that an image contains a thing with a label."""
        self.database.execute("insert or ignore into boxes values (?, ?)", (image, label))

    def add_value(self, image: int, name: str, value: str) -> bool:
        """Note a value of an image; returns whether it is the image's first of that name."""
        insert = "insert or ignore into cells values (?, ?, ?)"
        return self.database.execute(insert, (name, image, value)).rowcount > 0

    def ask(self, query: str, *values: Any) -> Iterator[Any]:
        """The rows that answer a query."""
        return self.database.execute(query, values)

    def count(self, what: str) -> int:
        """The number of rows in `what`: a table and its conditions."""
        return int(next(self.ask(f"select count(*) from {what}"))[0])

    def end_file(self, file: Path) -> None:
        """Raise `InputError` with all faults of a file, if there are any."""
        self.faults.refuse(file)

    def shape_fault(self, error: ShapeError, example: object) -> None:
        """Note a shape that cannot be drawn."""
        self.faults.add(str(error), example)
