"""Layouts with a separate file for every part of a frame."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.data.sets.nyuv2.frames import Frames
from afanet.errors import InputError


class FileFrames(Frames):
    """Frames with a separate file below `root` for each of the `parts`, the fields of `Raw` that the layout has."""

    def __init__(self, root: Path, parts: Sequence[str], table: NDArray[np.uint8], normals: bool = False):
        super().__init__(table, normals)
        self.root = root
        self.parts = parts

    @abstractmethod
    def path(self, frame: Any, part: str) -> Path:
        """The file of a part; it may not exist."""

    def files(self, frame: Any) -> tuple[Path, ...]:
        return tuple(self.path(frame, part) for part in self.parts)

    def where(self, frame: Any, part: str) -> str:
        return str(self.path(frame, part))

    def id(self, frame: Any) -> str:
        return self.path(frame, "image").relative_to(self.root).as_posix()


def listed(folder: Path, pattern: str, expected: str) -> set[str]:
    """The names in a folder that match `pattern` fully; raises `InputError` if none does or the folder is missing."""
    entries = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    names = {name for name in entries if re.fullmatch(pattern, name)}
    if not names:
        raise InputError(
            f"{folder} {'has no frame' if folder.is_dir() else 'is missing'}, expected {expected}: copy it again"
        )
    return names
