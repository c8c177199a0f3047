"""The values in files of masks that mean classes and void. Needs only NumPy and Pillow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from afanet.label_files import packed, unpacked

LISTED = 20  # values in a sentence


def void_of(classes: int) -> int:
    """The number that means no class in the targets of so many classes.

    >>> void_of(255), void_of(256)
    (255, 65535)
    """
    return 255 if classes <= 255 else 65535


def as_number(value: Any) -> Any:
    """The value, unless YAML has made a boolean of it, which raises `ValueError`."""
    if isinstance(value, bool):
        raise ValueError("which YAML reads as true or false: give ids as numbers")
    return value


def is_number(key: Any) -> bool:
    """Whether a key is a whole number, perhaps as text."""
    return isinstance(key, int) or (isinstance(key, str) and re.fullmatch("-?[0-9]+", key) is not None)


def red_green_blue(value: Any) -> Any:
    """Three numbers for a colour such as "#ff8000"; anything else as it is."""
    return (
        list(bytes.fromhex(value[1:])) if isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value) else value
    )


def several(value: Any) -> Any:
    """A list of one colour for a colour; anything else as it is."""
    one = isinstance(value, str) or (isinstance(value, Sequence) and value and isinstance(value[0], int))
    return [value] if one else value


def keys_of(colours: Sequence[Sequence[int]]) -> list[int]:
    """The number of each colour, see `packed`."""
    keys: list[int] = packed(np.array(colours, np.int64).reshape(-1, 3)).tolist()
    return keys


def read_void(void: Any, coloured: bool) -> Any:
    """Void as a list of ids or, for masks of colours, of numbers of colours; empty for `None`.

    >>> read_void(255, coloured=False), read_void([0, 255], coloured=False), read_void("#010000", coloured=True)
    ([255], [0, 255], [1])
    """
    if void is None:
        return []
    if not coloured:
        return [as_number(number) for number in (void if isinstance(void, list | tuple) else [void])]
    colours = [red_green_blue(colour) for colour in several(void)] if isinstance(void, str | list | tuple) else [void]
    for colour in colours:
        parts = colour if isinstance(colour, list | tuple) else ()
        if len(parts) != 3 or not all(type(part) is int and 0 <= part <= 255 for part in parts):
            raise ValueError("expected a colour such as [0, 0, 0], a list of some, or null for none: masks are colours")
    return keys_of(colours)


def listed(values: Sequence[int], coloured: bool = False) -> str:
    """Values, or colours, for a sentence: all, or the first and the last of many."""
    shown = [str(unpacked(value) if coloured else value) for value in values]
    return ", ".join(shown) if len(shown) <= LISTED else f"{shown[0]} to {shown[-1]}"
