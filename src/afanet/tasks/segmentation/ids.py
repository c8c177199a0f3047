"""Class numbers as the ids of a mask file. Needs only NumPy and Pillow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.errors import InputError
from afanet.tasks.drawing.png import png
from afanet.tasks.label import Bools, LabelFile, npy
from afanet.tasks.label import listed as in_words
from afanet.tasks.segmentation.mask import count, read_ids, read_mask
from afanet.tasks.segmentation.values import is_number, keys_of, listed, read_void, red_green_blue, several, void_of

BYTE, MOST = 255, 65_535  # in a PNG of 8 and of 16 bits


@dataclass(frozen=True)
class Ids:
    """The id of each class of a task in mask files, and `void`, the id of pixels without one; None if there is none.

    In masks of colours these are numbers of colours, see `packed`.
    """

    task: str
    classes: tuple[int, ...]
    void: int | None
    known: frozenset[int]  # all ids that files may have
    coloured: bool = False

    @classmethod
    def of(cls, task: str, classes: Sequence[str], declared: Mapping[str, Any]) -> Self:
        """The ids of a column with the keys `declared`, as `SegmentationColumn` has them.

        Raises `InputError` for a class that is not declared.
        """
        coloured = isinstance(declared.get("colours"), Mapping)
        names = declared.get("classes") or classes
        given = "void" in declared
        if coloured:
            ids = _coloured(declared["colours"])
            voids = read_void(declared.get("void"), coloured=True)
        elif declared.get("ids"):
            ids = _pairs(declared["ids"])
            usual = void_of(len(declared.get("classes") or {name for _, name in ids}))
            taken = any(number == usual for number, _ in ids)
            voids = read_void(declared["void"], coloured=False) if given else [] if taken else [usual]
        else:
            voids = read_void(declared["void"], coloured=False) if given else [void_of(len(names))]
            ids = _counted(names, voids)
        by_name: dict[str, int] = {}
        for number, name in ids:
            by_name.setdefault(name, number)  # the first where a class has several
        for name in classes:
            if name not in by_name:
                raise InputError(
                    f"the teacher's task '{task}' has the class '{name}', but its column is declared with "
                    f"{in_words(by_name)}: use a teacher with the same classes, or leave the task out with --tasks"
                )
        known = frozenset([number for number, _ in ids] + list(voids))
        void = next((number for number in voids if 0 <= number <= MOST), None)
        return cls(task, tuple(by_name[name] for name in classes), void, known, coloured)

    @property
    def listed(self) -> str:
        """All ids, in words."""
        return listed(sorted(self.known), self.coloured)


def _pairs(ids: Mapping[Any, Any]) -> list[tuple[int, str]]:
    """Each id with its class, from `{0: name}` or `{name: 0}` or `{name: [0, 7]}`."""
    pairs = []
    for key, value in ids.items():
        if isinstance(key, int) or all(is_number(each) for each in ids):
            pairs.append((int(key), str(value)))
        else:
            pairs += [(int(number), str(key)) for number in (value if isinstance(value, list | tuple) else [value])]
    return pairs


def _coloured(colours: Mapping[Any, Any]) -> list[tuple[int, str]]:
    """The number of each colour with its class."""
    return [
        (key, str(name))
        for name, given in colours.items()
        for key in keys_of([red_green_blue(colour) for colour in several(given)])
    ]


def _counted(classes: Sequence[str], voids: Sequence[int]) -> list[tuple[int, str]]:
    """Ids that number the classes in order and skip those that mean void."""
    free = [number for number in range(len(classes) + len(voids)) if number not in voids]
    return list(zip(free, map(str, classes), strict=False))


def mask_file(labels: NDArray[np.unsignedinteger], known: Bools, ids: Ids, colours: NDArray[np.uint8]) -> LabelFile:
    """Class numbers (H, W) as a file of ids, void where they are not `known`.

    Ids up to 255 give a PNG with a palette of the classes' `colours`, black for void; larger ids give a PNG of 16 bits,
    and ids that no PNG can hold a `.npy`. Masks of colours are RGB. Raises `InputError` if a pixel is not known and no
    id means void.
    """
    if ids.void is None and not known.all():
        raise InputError(
            f"task '{ids.task}' is declared without void, but has pixels that are not known: declare an id for void, "
            "or leave --threshold out"
        )
    void = ids.void or 0
    numbers = np.where(known, np.array(ids.classes, np.int64)[np.where(known, labels, 0)], void)
    if ids.coloured:
        bytes_of = numbers.astype("<u4").view(np.uint8).reshape(*numbers.shape, 4)
        return LabelFile(".png", png(bytes_of[..., :3].copy()))
    if not 0 <= min(*ids.classes, void) <= max(*ids.classes, void) <= MOST:
        return LabelFile(".npy", npy(numbers))
    if max(*ids.classes, void) > BYTE:
        return LabelFile(".png", png(numbers.astype(np.uint16)))
    image = Image.fromarray(numbers.astype(np.uint8))
    palette = np.zeros((BYTE + 1, 3), np.uint8)
    palette[list(ids.classes)] = colours
    image.putpalette(palette.tobytes())
    return LabelFile(".png", png(image))


def ids_in(file: Path, ids: Ids) -> list[int]:
    """The ids in a mask file, or its colours; none if the file cannot be read, which `data check` reports."""
    try:
        return list(count(read_mask(file).keys if ids.coloured else read_ids(file)))
    except InputError:
        return []
