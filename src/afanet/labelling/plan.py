"""Finds which images, in a table and beside it, need labels, before any image is labelled."""

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

LOOKED_AT = 1000  # different existing labels of a task that are compared with the teacher's
HELD_OUT = frozenset(["validation", "val", "test"])


@dataclass
class Plan:
    """The work that `label` has to do.

    Args:
        tasks: the teacher's tasks.
        chosen: the images of the table to label, all if None.
        added: images that the table does not list.
        total: number of images to read.
        held_out: number of rows of the splits validation and test that have an empty cell.
        labels: by task, some of the existing labels, each with its place in the table.
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
        """The tasks for which a row needs a label."""
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
    """The plan for a table and the given `images`, relative to its folder; without images, for the whole table."""
    plan = Plan(tasks, frozenset(images) or None)
    listed: set[str] = set()
    for row in table.rows():
        plan.look(row)
        if images:  # paths that the table lists as an image or a label are not added
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
    base = os.path.normpath(root.absolute())  # without `resolve`: links are the business of the data's owner
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
