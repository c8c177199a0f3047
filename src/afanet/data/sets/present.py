"""Checks which files of the samples exist."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from afanet.data.sample import Reader

Item = TypeVar("Item")


def present_items(read: Reader, items: Sequence[Item]) -> tuple[list[Item], list[str]]:
    """The items whose files all exist, and a sentence for each file that does not.

    Each folder is listed once, which is much faster than a look-up of each file.
    """

    @cache
    def listing(folder: Path) -> set[str]:
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()

    present, problems = [], []
    for item in items:
        missing = [path for path in read.files(item) if path.name not in listing(path.parent)]
        if not missing:
            present.append(item)
        problems += [f"{path} is missing, and its sample needs it: copy or unpack it again" for path in missing]
    return present, problems
