"""A result as a label, in the form in which the column of its kind reads it back, with NumPy and Pillow alone."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMED = 12  # names in a sentence

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class LabelFile:
    """A label that is a file: its content, and the suffix of its name."""

    suffix: str
    content: bytes


def npy(values: NDArray[np.float32]) -> bytes:
    """An array as the bytes of a `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def listed(names: Iterable[str]) -> str:
    """The first dozen of some names, and how many more there are.

    >>> listed(str(number) for number in range(14))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more'
    """
    every = list(names)
    return ", ".join(every[:NAMED]) + (f" and {len(every) - NAMED} more" if len(every) > NAMED else "")


def sides_declared(meaning: Mapping[str, Any]) -> dict[str, Any]:
    """What a task's meaning says of mirror images, as a recipe declares it.

    >>> sides_declared({"classes": ["left", "right"], "swap": [[0, 1]], "mirror": True})
    {'swap': {'left': 'right'}}
    """
    names = meaning.get("classes") or meaning.get("labels") or []
    swap = {names[one]: names[other] for one, other in meaning.get("swap", [])}
    return ({} if meaning.get("mirror", True) else {"mirror": False}) | ({"swap": swap} if swap else {})
