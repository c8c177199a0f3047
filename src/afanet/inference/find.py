"""The pictures and videos that the arguments of a command name."""

from __future__ import annotations

import os
from collections.abc import Sequence, Set
from pathlib import Path

from afanet.images import SUFFIX as ARRAY
from afanet.photo import SUFFIXES

VIDEOS = frozenset([".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"])


def find_photos(
    inputs: Sequence[str | Path], leave_out: Path | None = None, *, arrays: bool = False
) -> tuple[list[Path], list[str]]:
    """The files that `inputs` name, in order and each once, and a sentence for every input that names none.

    A folder names all pictures and videos in it and its subfolders, in alphabetical order, except hidden ones and those
    in `leave_out`; with `arrays`, also arrays in `.npy` files. A pattern with `*`, `?` or `[]` names all matches.

    >>> find_photos(["no/such.png"])
    ([], ['no/such.png does not exist, expected a picture, a video, a folder or a pattern'])
    """
    suffixes = SUFFIXES | VIDEOS | ({ARRAY} if arrays else set())
    paths: dict[Path, None] = {}
    faults = []
    for given in map(Path, inputs):
        try:
            if given.exists():
                matches = [given]
            elif any(sign in str(given) for sign in "*?["):
                matches = sorted(Path(given.anchor).glob(str(given.relative_to(given.anchor))))
            else:
                matches = None
        except (OSError, ValueError) as error:
            faults.append(f"{given} cannot be searched ({error}), expected a path or a pattern such as trip/*.jpg")
            continue
        if matches is None:
            faults.append(f"{given} does not exist, expected a picture, a video, a folder or a pattern")
            continue
        files = [
            file for match in matches for file in (_below(match, suffixes, leave_out) if match.is_dir() else [match])
        ]
        if not files:
            kinds = "picture, video or array" if arrays else "picture or video"
            faults.append(f"{given} has no {kinds} in it, expected {', '.join(sorted(suffixes))}")
        paths |= dict.fromkeys(files)
    return list(paths), faults


def _below(folder: Path, suffixes: Set[str], leave_out: Path | None) -> list[Path]:
    # `resolve` would raise for a link that leads to itself.
    left_out_folders = [Path(os.path.realpath(leave_out))] if leave_out else []
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in suffixes and file.is_file()
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
        if not any(file.resolve().is_relative_to(left_out) for left_out in left_out_folders)
    )
