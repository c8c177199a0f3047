"""Class numbers as the ids of a mask file, with NumPy and Pillow alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.errors import InputError
from afanet.label_files import read_image
from afanet.tasks.drawing.png import png
from afanet.tasks.label import Bools, LabelFile, listed, npy

BYTE, WORD = 255, 65_535


@dataclass(frozen=True)
class Ids:
    """The id of each class of a task in mask files, and that of pixels without one; None if no id means that.

    In masks of colours, `colours` has that of each class, and `void` is a colour.
    """

    task: str
    classes: tuple[int, ...]
    void: Any
    known: frozenset[int]  # all ids that files may have
    colours: NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, task: str, classes: Sequence[str], declared: Mapping[str, Any]) -> Self:
        """The ids of a column with the keys `declared`, as `SegmentationColumn` has them.

        Raises `InputError` where a class is not among those that are declared.
        """
        coded = declared.get("colours")
        if isinstance(coded, Mapping):
            return cls._of_colours(task, classes, coded, declared.get("void"))
        named = list(declared.get("classes") or classes)
        pairs = _pairs(declared["ids"]) if declared.get("ids") else []
        usual = BYTE if len({name for _, name in pairs} or named) <= BYTE else WORD
        void = declared.get("void", None if usual in dict(pairs) else usual)
        voids = void if isinstance(void, list | tuple) else [] if void is None else [void]
        ids = pairs or _counted(named, voids)
        by_name: dict[str, int] = {}
        for number, name in ids:
            by_name.setdefault(name, number)  # the first where a class has several
        _require(task, classes, by_name)
        known = frozenset([number for number, _ in ids] + list(voids))
        return cls(task, tuple(by_name[name] for name in classes), voids[0] if voids else None, known)

    @classmethod
    def _of_colours(cls, task: str, classes: Sequence[str], coded: Mapping[Any, Any], void: Any) -> Self:
        by_name = {str(name): _first(colours) for name, colours in coded.items()}
        _require(task, classes, by_name)
        colours = np.array([by_name[name] for name in classes], np.uint8)
        return cls(task, tuple(range(len(classes))), None if void is None else _first(void), frozenset(), colours)

    @property
    def listed(self) -> str:
        """All ids, in words."""
        numbers = sorted(self.known)
        return listed(map(str, numbers))


def _require(task: str, classes: Sequence[str], declared: Collection[str]) -> None:
    """Raise `InputError` for a class of a teacher that a column does not have."""
    for name in classes:
        if name not in declared:
            raise InputError(
                f"the teacher's task '{task}' has the class '{name}', and its column is declared with "
                f"{listed(declared)}: take a teacher of the same classes, or leave the task out with --tasks"
            )


def _first(colours: Any) -> list[int]:
    """A colour, such as `[128, 64, 128]` or `"#804080"`, or the first of several."""
    first = colours if isinstance(colours, str) or isinstance(colours[0], int) else colours[0]
    return list(bytes.fromhex(first[1:])) if isinstance(first, str) else list(first)


def _pairs(ids: Mapping[Any, Any]) -> list[tuple[int, str]]:
    """Each id with its class, from `{0: name}` or `{name: 0}` or `{name: [0, 7]}`."""
    pairs = []
    for key, value in ids.items():
        if isinstance(key, int):
            pairs.append((key, str(value)))
        else:
            pairs += [(number, str(key)) for number in (value if isinstance(value, list | tuple) else [value])]
    return pairs


def _counted(classes: Sequence[str], voids: Sequence[int]) -> list[tuple[int, str]]:
    """Ids that count the classes in order and pass over those that mean void."""
    free = [number for number in range(len(classes) + len(voids)) if number not in voids]
    return list(zip(free, map(str, classes), strict=False))


def mask_file(labels: NDArray[np.unsignedinteger], known: Bools, ids: Ids, colours: NDArray[np.uint8]) -> LabelFile:
    """Class numbers (H, W) as a file of ids or colours, void where they are not `known`.

    A PNG with ids up to 255 has a palette of the classes' `colours`, black for void; with larger ones it is of 16 bits,
    and with others they are in a `.npy`. Raises `InputError` for a pixel that is not known where nothing means void.
    """
    if ids.void is None and not known.all():
        raise InputError(
            f"task '{ids.task}' is declared without void, and has pixels that are not known: declare an id for void, "
            "or leave --threshold out"
        )
    classes = np.where(known, labels, 0)
    if ids.colours is not None:
        none = np.array(ids.void or [0, 0, 0], np.uint8)
        return LabelFile(".png", png(np.where(known[..., None], ids.colours[classes], none)))
    void = int(ids.void or 0)
    numbers = np.where(known, np.array(ids.classes, np.int64)[classes], void)
    used = [*ids.classes, void]
    if min(used) < 0 or max(used) > WORD:
        return LabelFile(".npy", npy(numbers))
    if max(used) > BYTE:
        return LabelFile(".png", png(numbers.astype(np.uint16)))
    image = Image.fromarray(numbers.astype(np.uint8))
    palette = np.zeros((BYTE + 1, 3), np.uint8)
    palette[list(ids.classes)] = colours
    image.putpalette(palette.tobytes())
    return LabelFile(".png", png(image))


def strange_ids(file: Path, ids: Ids) -> list[int]:
    """The ids in a mask file that are not among `ids`; none where it cannot be read or has colours.

    What is wrong with these, `data check` says.
    """
    if ids.colours is not None:
        return []
    try:
        present = np.unique(read_image(file, ("L", "P", "I;16"), "map of class ids"))
    except InputError:
        return []
    return [number for number in present.tolist() if number not in ids.known]
