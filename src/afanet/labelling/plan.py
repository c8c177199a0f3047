"""Which images of a table and beside it are to be labelled, found before anything is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from afanet.errors import InputError
from afanet.images import SUFFIX
from afanet.labelling.cells import FOLDER, made_in
from afanet.labelling.table import Row, Table
from afanet.paths import LEAVING
from afanet.photo import SUFFIXES

LOOKED_AT = 1000  # different labels of a task that exist, which are compared with the teacher's
HELD_OUT = frozenset(["validation", "val", "test"])


@dataclass
class Plan:
    """What there is to do.

    Args:
        tasks: those of the teacher.
        chosen: the images of the table that are to be labelled, all if None.
        added: images that the table does not list.
        total: images to read.
        held_out: rows of the splits validation and test that have an empty cell.
        labels: by task some of the labels that exist, each with where it is.
        begun: whether the table has machine-made labels of the tasks.
    """

    tasks: Sequence[str]
    chosen: frozenset[str] | None
    added: list[str] = field(default_factory=list)
    total: int = 0
    held_out: int = 0
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    begun: bool = False

    def wanted(self, row: Row) -> list[str]:
        """The tasks of which a row is to get a label."""
        if row.cells.get("split") != "train" or not self._is_chosen(row):
            return []
        return [name for name in self.tasks if not row.cells.get(name)]

    def look(self, row: Row) -> None:
        """Count a row of the table."""
        self.total += bool(self.wanted(row))
        lacks = any(not row.cells.get(name) for name in self.tasks)
        self.held_out += lacks and row.cells.get("split") in HELD_OUT and self._is_chosen(row)
        self.begun |= bool(set(made_in(row.cells)) & set(self.tasks))
        for name in self.tasks:
            seen = self.labels.setdefault(name, {})
            if (cell := row.cells.get(name)) and len(seen) < LOOKED_AT:
                seen.setdefault(cell, row.location)

    def _is_chosen(self, row: Row) -> bool:
        return self.chosen is None or os.path.normpath(row.cells.get("image", "")) in self.chosen


def read_plan(table: Table, images: Sequence[str], tasks: Sequence[str]) -> Plan:
    """The plan for a table and the `images` that are named beside it, relative to its folder; none for all of it."""
    plan = Plan(tasks, frozenset(images) or None)
    listed: set[str] = set()
    for row in table.rows():
        plan.look(row)
        if images:  # what the table lists as an image or a label is no image to add
            listed.update(
                os.path.normpath(cell) for name, cell in row.cells.items() if name == "image" or _is_picture(cell)
            )
    plan.added = [image for image in images if image not in listed]
    plan.total += len(plan.added)
    return plan


def below(root: Path, images: Iterable[str | Path]) -> list[str]:
    """Images as paths relative to the folder `root`, each once, without those in `TASK-machine/`.

    Raises `InputError` for an image outside the folder, and for a path that no cell of a table can hold.
    """
    names: dict[str, None] = {}
    base = os.path.normpath(root.absolute())  # not by `resolve`: links are left to the owner of the data
    for image in images:
        path = os.path.normpath(Path(image).absolute())
        if not Path(path).is_relative_to(base):
            raise InputError(f"{image} is not below {root}, the folder of the table: give an --out above the images")
        name = Path(path).relative_to(base).as_posix()
        if re.search(LEAVING, name):
            raise InputError(f"{name!r} cannot be the path of an image in a table: rename it")
        if not name.partition("/")[0].endswith(FOLDER.format("")):
            names[name] = None
    return list(names)


def _is_picture(cell: str) -> bool:
    return PurePosixPath(cell).suffix.lower() in SUFFIXES | {SUFFIX}
