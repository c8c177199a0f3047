"""The images and labels that were detected, from which a manifest and a recipe are written."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Column:
    """A detected task: its declaration in a recipe, its cells by image, and a one-line summary."""

    declared: dict[str, Any]
    cells: Mapping[str, str]
    summary: str


class Masks(Protocol):
    """Label files that still have to be written."""

    def written(self, folder: Path) -> AbstractContextManager[None]:
        """Write them below `folder`, and remove them again if the block fails."""


@dataclass(frozen=True)
class Contents:
    """Image paths relative to the folder, detected tasks by name, and target files without an image.

    `splits` has the split of each image if folders, a table or annotations give it, and `split_source` says which of
    these; images that are in no split are then listed in `outside` and not in `images`. `groups` names the person or
    scene of images. `notes` has a line for everything that was assumed or left out, except for the columns of a table
    that are no labels: `no_labels` has a line for each of these, with the reason. Paths are relative to `root`, if
    that is given, else to the folder that was looked at. `masks` are label files that cells name and that init has to
    write.
    """

    images: list[str]
    columns: dict[str, Column]
    unpaired: list[str]
    splits: dict[str, str] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    no_labels: list[str] = field(default_factory=list)
    root: Path | None = None
    masks: Masks | None = None
    split_source: str = "folder"
