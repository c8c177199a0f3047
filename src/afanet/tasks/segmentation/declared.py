"""How the values in files of masks are declared: ids by number or by name, colours, void."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from afanet.label_files import packed, unpacked
from afanet.tasks.column import Name

LISTED = 20  # values in a sentence


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("which YAML reads as true or false: give ids as numbers")
    return value


def red_green_blue(value: Any) -> Any:
    """Three numbers for a colour such as "#ff8000"; anything else as it is."""
    return (
        list(bytes.fromhex(value[1:])) if isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value) else value
    )


def _several(value: Any) -> Any:
    """A list of one colour for a colour; anything else as it is."""
    one = isinstance(value, str) or (isinstance(value, Sequence) and value and isinstance(value[0], int))
    return [value] if one else value


def _is_number(key: Any) -> bool:
    return isinstance(key, int) or (isinstance(key, str) and re.fullmatch("-?[0-9]+", key) is not None)


def _by_number(ids: Any) -> Any:
    """`{0: background, 255: object}` for that, and for `{background: 0, object: [255]}`."""
    if not isinstance(ids, Mapping):
        return ids
    if all(map(_is_number, ids)):
        return _of_one_class(ids.items())
    if any(map(_is_number, ids)):
        raise ValueError("whose keys are numbers and names: give `id: name` or `name: id` for all")
    pairs: list[tuple[Any, Any]] = []
    for name, given in ids.items():
        numbers = given if isinstance(given, list | tuple) else [given]
        if not numbers or not all(isinstance(number, int | str) for number in numbers):
            raise ValueError(f"which gives '{name}' no id: expected a number, or a list of numbers")
        pairs += [(_number(number), name) for number in numbers]
    return _of_one_class(pairs)


def _of_one_class(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """The name of each id; raises `ValueError` for an id with two names, also where it is text once: 1 and "1"."""
    named: dict[Any, Any] = {}
    names: dict[str, Any] = {}
    for number, name in pairs:
        if names.setdefault(str(number), name) != name:
            raise ValueError(f"in which the id {number} is of two classes, '{names[str(number)]}' and '{name}'")
        named[number] = name
    return named


Byte = Annotated[int, Field(ge=0, le=255)]
Colour = Annotated[tuple[Byte, Byte, Byte], BeforeValidator(red_green_blue)]
Colours = Annotated[tuple[Colour, ...], BeforeValidator(_several), Field(min_length=1)]
Id = Annotated[int, Field(ge=-(2**31), le=2**32 - 1)]
Ids = Annotated[dict[Annotated[Id, BeforeValidator(_number)], Name], BeforeValidator(_by_number), Field(min_length=2)]


def keys_of(colours: Sequence[Sequence[int]]) -> list[int]:
    """The number of each colour, see `packed`."""
    keys: list[int] = packed(np.array(colours, np.int64).reshape(-1, 3)).tolist()
    return keys


def require_apart(coded: Mapping[str, Sequence[Sequence[int]]]) -> None:
    """Raise `ValueError` for a colour that two classes share."""
    owners: dict[int, str] = {}
    for name, colours in coded.items():
        for key in keys_of(colours):
            if owners.setdefault(key, name) != name:
                raise ValueError(f"in which the colour {unpacked(key)} is of two classes, '{owners[key]}' and '{name}'")


def read_void(void: Any, coloured: bool) -> Any:
    """Void as a list of ids or, of masks of colours, of the numbers of colours; `None` is none.

    >>> read_void(255, coloured=False), read_void([0, 255], coloured=False), read_void("#010000", coloured=True)
    ([255], [0, 255], [1])
    """
    if void is None:
        return []
    if not coloured:
        return [_number(number) for number in (void if isinstance(void, list | tuple) else [void])]
    colours = [red_green_blue(colour) for colour in _several(void)] if isinstance(void, str | list | tuple) else [void]
    for colour in colours:
        parts = colour if isinstance(colour, list | tuple) else ()
        if len(parts) != 3 or not all(type(part) is int and 0 <= part <= 255 for part in parts):
            raise ValueError("expected a colour such as [0, 0, 0], a list of some, or null for none: masks are colours")
    return keys_of(colours)


def listed(values: Sequence[int], coloured: bool = False) -> str:
    """Values, or colours, for a sentence: all, or the first and the last of many."""
    shown = [str(unpacked(value) if coloured else value) for value in values]
    return ", ".join(shown) if len(shown) <= LISTED else f"{shown[0]} to {shown[-1]}"
