"""Reads the MATLAB files of PASCAL-Context and PASCAL-Part: a map of labels, and the parts of each person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from afanet.errors import InputError
from afanet.files import require_regular

MOST_BYTES = 2**22  # of a file; compressed data may grow a thousandfold
CLASSES = 459  # of PASCAL-Context
PERSON = 15  # in PASCAL VOC
PARTS = {  # of a person in PASCAL-Part, in six groups
    1: ("hair", "head", "lear", "lebrow", "leye", "mouth", "nose", "rear", "rebrow", "reye"),
    2: ("neck", "torso"),
    3: ("luarm", "ruarm"),
    4: ("llarm", "rlarm", "lhand", "rhand"),
    5: ("luleg", "ruleg"),
    6: ("llleg", "rlleg", "lfoot", "rfoot"),
}
NUMBERS = {part: number for number, parts in PARTS.items() for part in parts}


def read_context(path: Path) -> NDArray[np.int64]:
    """The class 1 to 459 of every pixel, from a file of PASCAL-Context (H, W)."""
    labels = _load(path, "LabelMap")
    if labels.ndim != 2 or labels.dtype.kind not in "uif" or not labels.size:
        raise InputError(f"{path} has a LabelMap of {labels.dtype} {labels.shape}, expected numbers (H, W): copy it")
    if not ((labels >= 0) & (labels <= CLASSES)).all():
        raise InputError(f"{path} has labels up to {labels.max()}, expected classes 1 to {CLASSES}: copy it again")
    return labels.astype(np.int64)


def read_parts(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The part of a person at every pixel of an image of `size` = (H, W), from a file of PASCAL-Part.

    0 is no part, 1 the head, 2 the torso, 3 the upper arms, 4 the lower arms and hands, 5 the upper legs, 6 the lower
    legs and feet. Where parts overlap, the later part in the file counts, as in the public code.
    """
    target = np.zeros(size, np.uint8)
    for name, mask in _parts(path):
        if name not in NUMBERS:
            raise InputError(f"{path} has the part '{name:.30}' of a person, expected one of {', '.join(NUMBERS)}")
        if mask.shape != size:
            raise InputError(f"{path} has a mask of {mask.shape} pixels, expected {size} as its photo: copy it again")
        target[mask.astype(bool)] = NUMBERS[name]
    return target


def _parts(path: Path) -> list[tuple[str, NDArray[Any]]]:
    """The names and masks of all parts of all people."""
    annotation = _load(path, "anno")
    try:
        people = [thing for thing in annotation["objects"].flat[0].ravel() if int(thing["class_ind"].flat[0]) == PERSON]
        parts = [part for person in people if person["parts"].size for part in person["parts"].ravel()]
        return [(str(part["part_name"].flat[0]), part["mask"]) for part in parts]
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} has an 'anno' that is not an annotation of PASCAL-Part ({error!r:.60}): copy it again"
        ) from None


def _load(path: Path, name: str) -> NDArray[Any]:
    try:
        with require_regular(path, MOST_BYTES).open("rb") as file:
            content = loadmat(file, variable_names=[name])
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path} is missing: every image needs it") from None
    except Exception as error:  # SciPy raises many kinds of error for broken files
        raise InputError(f"{path} cannot be read as a MATLAB file ({error!s:.80}): copy it again") from error
    if name not in content:
        raise InputError(f"{path} holds no '{name}': copy it again")
    stored: NDArray[Any] = content[name]
    return stored
