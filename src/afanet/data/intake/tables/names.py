"""Finds the image that a cell means, written with or without folder and ending, in lower or upper case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from afanet.photo import SUFFIXES

NONE, SEVERAL = -1, -2
ENDING = re.compile(r"\.(?!\d+$)\w{1,5}")  # also an ending that the images no longer have, such as .dcm


class ImageNames:
    """The images of a folder by their names.

    Args:
        images: paths relative to the folder.
        below: the folder of the table, relative to the same folder: cells may be relative to it.
        numbers: read `1` as `0001.jpg`, for tables that were written from numbers.

    >>> names = ImageNames(["a/001.jpg", "b/002.JPG"])
    >>> [names.find(cell) for cell in ("a/001.jpg", "001", "B\\\\002.jpg", "/data/b/002.png", "003")]
    [0, 0, 1, 1, -1]
    """

    def __init__(self, images: Sequence[str], below: str = "", numbers: bool = False):
        self.images = images
        self.below = below
        self.numbers = numbers
        self.folders_count = False  # whether a cell with another folder than the image's means another image
        self._exact = {image: place for place, image in enumerate(images)}
        self._by_stem: dict[str, int | list[int]] = {}
        for place, image in enumerate(images):
            key = self._key(image.rpartition("/")[2].rpartition(".")[0])
            other = self._by_stem.setdefault(key, place)
            if other != place:
                self._by_stem[key] = [*(other if isinstance(other, list) else [other]), place]

    def find(self, cell: str) -> int:
        """The place of the image that a cell means; `NONE` if there is none, `SEVERAL` if it is ambiguous."""
        exact = self._exact.get(self.below + cell) if self.below else None
        exact = self._exact.get(cell) if exact is None else exact
        if exact is not None:
            return exact
        path = PurePosixPath(cell.replace("\\", "/"))
        places = self._candidates(path)
        if not places:
            return NONE
        folders = [name.casefold() for name in path.parts[:-1] if name not in ("/", ".")]
        if not folders and len(places) == 1:
            return places[0]
        scores = {place: self._likeness(place, folders, path.suffix) for place in places}
        best = max(scores.values())
        if folders and self.folders_count and not best[0]:
            return NONE
        chosen = [place for place, score in scores.items() if score == best]
        return chosen[0] if len(chosen) == 1 else SEVERAL

    def names_folder(self, cell: str) -> bool:
        """Whether a cell names a folder, and its image is in a folder of that name."""
        path = PurePosixPath(cell.replace("\\", "/"))
        place = self.find(cell)
        return place >= 0 and len(path.parts) > 1 and path.parent.name == PurePosixPath(self.images[place]).parent.name

    def found(self, cells: Iterable[str]) -> set[int]:
        """The places of all images that cells mean."""
        return {place for place in map(self.find, cells) if place >= 0}

    def _candidates(self, path: PurePosixPath) -> list[int]:
        whole = self._by_stem.get(self._key(path.name))
        stem = self._by_stem.get(self._key(path.stem)) if ENDING.fullmatch(path.suffix) else None
        usual = stem if path.suffix.lower() in SUFFIXES and stem is not None else whole
        places = stem if usual is None else usual
        return [] if places is None else places if isinstance(places, list) else [places]

    def _likeness(self, place: int, folders: list[str], ending: str) -> tuple[int, bool, bool]:
        """How many folders agree, from the innermost; whether the ending agrees; whether it is beside the table."""
        image = PurePosixPath(self.images[place])
        above = [name.casefold() for name in image.parts[:-1]]
        agreeing = 0
        for one, other in zip(reversed(folders), reversed(above), strict=False):
            if one != other:
                break
            agreeing += 1
        return agreeing, image.suffix.lower() == ending.lower(), self.images[place].startswith(self.below)

    def _key(self, stem: str) -> str:
        key = stem.casefold()
        return key.lstrip("0") or "0" if self.numbers and key.isdecimal() else key
