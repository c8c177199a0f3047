"""The names under which the results of photos and videos are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from afanet.files import LONGEST
from afanet.inference.find import VIDEOS

FRAME = "{}-{:06}"  # a video's name and a frame's number, counted from 1


def unique_names(files: Sequence[Path]) -> list[str]:
    """A name for the results of each file: its stem, with folders before it if two stems are alike.

    The frames of a video are called `NAME-000001` and so on, and no photo gets such a name of a frame.

    >>> unique_names([Path("a/x.jpg"), Path("b/x.jpg"), Path("b/y.png"), Path("b/Y.jpg")])
    ['a-x', 'b-x', 'y-png', 'Y-jpg']
    >>> unique_names([Path("film.mp4"), Path("film-000001.jpg")])
    ['film-video', 'film-000001']
    """
    forms: list[Callable[[Path], str]] = [
        lambda file: file.stem,
        lambda file: "-".join([*file.parts[-2:-1], file.stem]),
        lambda file: file.name.replace(".", "-"),
        lambda file: "-".join([*file.parts[:-1], file.name.replace(".", "-")]).replace("/", "").replace("\\", ""),
    ]
    names: list[str | None] = [None] * len(files)
    for form in forms:
        unnamed = [index for index, name in enumerate(names) if name is None]
        candidates = {index: form(files[index]) for index in unnamed}
        counts = Counter(name.casefold() for name in [*candidates.values(), *filter(None, names)])
        for index, name in candidates.items():
            if counts[name.casefold()] == 1:
                names[index] = name
    taken = {name.casefold() for name in names if name}
    for index, known in enumerate(names):
        number = 2
        while known is None:
            name = f"{files[index].stem}-{number}"
            if name.casefold() not in taken:
                taken.add(name.casefold())
                names[index] = known = name
            number += 1
    return _apart_from_frames(files, [name for name in names if name is not None])


def _apart_from_frames(files: Sequence[Path], names: list[str]) -> list[str]:
    """The names, with longer ones for videos whose frames would have the name of another file."""
    taken = {name.casefold() for name in names}
    like_frames = {name[: -len(frame[0])] for name in taken if (frame := re.search(r"-\d{6,}$", name))}
    for index, file in enumerate(files):
        while file.suffix.lower() in VIDEOS and names[index].casefold() in like_frames:
            names[index] += "-video"
            while names[index].casefold() in taken:
                names[index] += "-video"
            taken.add(names[index].casefold())
    return names


def name_fault(file: Path, name: str) -> str | None:
    """Why results for `file` cannot be written under `name`, as a sentence; None if they can.

    >>> name_fault(Path("photo.jpg"), "photo")
    >>> name_fault(Path("x.jpg"), "long" * 60)
    'x.jpg: the names of its results would have 244 bytes, expected at most 200: rename the file or its folder'
    """
    try:
        str(file).encode()
    except UnicodeEncodeError:
        return f"{file}: its path is not UTF-8, in which predictions are listed: rename the file or its folder"
    frame = FRAME.format(name, 1) if file.suffix.lower() in VIDEOS else name
    if (length := len(f"{frame}.png".encode())) > LONGEST:
        return (
            f"{file}: the names of its results would have {length} bytes, expected at most {LONGEST}: rename the file "
            "or its folder"
        )
    return None
