"""Finds images below a folder by the names in annotation files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from afanet.data.intake.folder import file_columns
from afanet.data.intake.tree import SPLITS
from afanet.photo import SUFFIXES

LEAVING = "names of images that lead out of the folder"
ABSENT = "images that are listed and are not there are left out"
AMBIGUOUS = "names that several images have"
UNPRINTABLE = "names of images that cannot be written in a table"


def split_of(path: str) -> str | None:
    """The split in the name of a file or of the nearest folder above it.

    >>> split_of("annotations/instances_val2017.json"), split_of("train/_annotations.coco.json"), split_of("all.json")
    ('validation', 'train', None)
    """
    for part in reversed(path.split("/")):
        splits = {SPLITS[word] for word in re.findall("[a-z]+", part.lower()) if word in SPLITS}
        if len(splits) == 1:
            return splits.pop()
    return None


def plain_name(name: str) -> str:
    """The path in a name that may be an address, with slashes of either kind.

    >>> plain_name("s3://bucket/a%20b.jpg?sign=1"), plain_name(r"C:\\photos\\a.jpg")
    ('bucket/a b.jpg', 'photos/a.jpg')
    """
    if match := re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE):
        name = unquote(re.split("[?#]", name[match.end() :])[0])
    return re.sub("^[A-Za-z]:", "", name.replace("\\", "/")).lstrip("/").removeprefix("./")


class Images:
    """The images in `files`, paths below a folder with slashes."""

    def __init__(self, files: Iterable[str]) -> None:
        self.by_name: dict[str, list[str]] = {}
        self.count = 0
        for path in files:
            if PurePosixPath(path).suffix.lower() in SUFFIXES:
                self.by_name.setdefault(path.rpartition("/")[2], []).append(path)
                self.count += 1
        self.targets = {name for column in file_columns().values() for name in column.folders}

    def locate(self, name: str, near: str = "", split: str | None = None) -> tuple[str | None, str]:
        """The image that a file in the folder `near` calls `name`, or None and, in the plural, why there is none.

        It is the file with that path in `near`, or else a file with that name and as many equal folders as possible. If
        there are several, those in `near` come first, then those in folders of the same split; label files come last.
        """
        name = plain_name(name)
        if ".." in name.split("/"):
            return None, LEAVING
        parts = name.split("/")
        candidates = self.by_name.get(parts[-1], [])
        if not candidates:
            return None, ABSENT

        def rank(path: str) -> tuple[bool, bool, int, bool, bool]:
            own = path.split("/")
            shared = next((n for n, (a, b) in enumerate(zip(own[::-1], parts[::-1], strict=False)) if a != b), None)
            depth = min(len(own), len(parts)) if shared is None else shared
            is_target = any(folder.lower() in self.targets for folder in own[:-1])
            is_meant = path == f"{near}/{name}".lstrip("/")
            return (
                not is_meant,
                is_target,
                -depth,
                bool(near) and not path.startswith(f"{near}/"),
                split_of(path) != split,
            )

        ranked = sorted((rank(path), path) for path in candidates)
        if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
            return None, AMBIGUOUS
        path = ranked[0][1]
        return (path, "") if path.isprintable() else (None, UNPRINTABLE)


def files_below(folder: Path) -> Iterable[str]:
    """The relative paths, with slashes, of all files below a folder, sorted, without hidden files."""
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        above = Path(where).relative_to(folder).as_posix()
        for name in sorted(files):
            if not name.startswith("."):
                yield name if above == "." else f"{above}/{name}"
