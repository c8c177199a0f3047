"""Class numbers as the ids of a mask file, with NumPy and Pillow alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.errors import InputError
from afanet.label_files import read_image
from afanet.tasks.drawing.png import png
from afanet.tasks.label import Bools, listed

BYTE = 255


@dataclass(frozen=True)
class Ids:
    """The id of each class of a task in mask files, and that of pixels without one; None if no id means that."""

    task: str
    classes: tuple[int, ...]
    void: int | None
    known: frozenset[int]  # all ids that files may have

    @classmethod
    def of(cls, task: str, classes: Sequence[str], declared: Mapping[str, Any]) -> Self:
        """The ids of a column with the keys `declared`, as `SegmentationColumn` has them.

        Raises `InputError` where a class is not among those that are declared.
        """
        void = declared.get("void", BYTE)
        voids = void if isinstance(void, list | tuple) else [] if void is None else [void]
        ids = _pairs(declared["ids"]) if declared.get("ids") else _counted(declared.get("classes", classes), voids)
        by_name: dict[str, int] = {}
        for number, name in ids:
            by_name.setdefault(name, number)  # the first where a class has several
        for name in classes:
            if name not in by_name:
                raise InputError(
                    f"the teacher's task '{task}' has the class '{name}', and its column is declared with "
                    f"{listed(by_name)}: take a teacher of the same classes, or leave the task out with --tasks"
                )
        known = frozenset([number for number, _ in ids] + list(voids))
        return cls(task, tuple(by_name[name] for name in classes), voids[0] if voids else None, known)

    @property
    def listed(self) -> str:
        """All ids, in words."""
        numbers = sorted(self.known)
        return listed(map(str, numbers))


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


def mask_png(labels: NDArray[np.unsignedinteger], known: Bools, ids: Ids, colours: NDArray[np.uint8]) -> bytes:
    """Class numbers (H, W) as a PNG of ids, void where they are not `known`.

    With ids up to 255 it has a palette of the classes' `colours`, black for void; else it is of 16 bits. Raises
    `InputError` for a pixel that is not known where no id means void.
    """
    if ids.void is None and not known.all():
        raise InputError(
            f"task '{ids.task}' is declared without void, and has pixels that are not known: declare an id for void, "
            "or leave --threshold out"
        )
    void = ids.void or 0
    table = np.array(ids.classes, np.uint16)
    numbers = np.where(known, table[np.where(known, labels, 0)], np.uint16(void))
    if max(*ids.classes, void) > BYTE:
        return png(numbers)
    image = Image.fromarray(numbers.astype(np.uint8))
    palette = np.zeros((BYTE + 1, 3), np.uint8)
    palette[list(ids.classes)] = colours
    image.putpalette(palette.tobytes())
    return png(image)


def strange_ids(file: Path, ids: Ids) -> list[int]:
    """The ids in a mask file that are not among `ids`; none where the file cannot be read, as `data check` says."""
    try:
        present = np.unique(read_image(file, ("L", "P", "I;16"), "map of class ids"))
    except InputError:
        return []
    return [number for number in present.tolist() if number not in ids.known]
