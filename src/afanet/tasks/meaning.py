"""Checks of the description of tasks in a run or a file, made before anything is built or drawn from it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

MOST = 65_536  # classes, labels and colours of a task
LONGEST = 1000  # characters of a name or unit
DECIMALS = 400  # the most decimals of a number: the smallest float has fewer

Check = tuple[str, Callable[[Any], bool]]  # the expectation in words, and whether a value meets it


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, and not a boolean."""
    largest = sys.float_info.max  # which an integer in JSON may exceed
    return isinstance(value, int | float) and not isinstance(value, bool) and -largest <= value <= largest


def is_whole(value: Any, least: int, most: int) -> bool:
    """Whether a value is a whole number from `least` to `most`."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_text(value: Any) -> bool:
    """Whether a value is text of at most `LONGEST` characters that a file can hold: without lone surrogates.

    >>> is_text("wall"), is_text("\\ud800"), is_text(3)
    (True, False, False)
    """
    return isinstance(value, str) and len(value) <= LONGEST and not any("\ud800" <= sign <= "\udfff" for sign in value)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MOST and all(map(is_text, value))


def _are_colours(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= MOST
        and all(
            isinstance(colour, list) and len(colour) == 3 and all(is_whole(part, 0, 255) for part in colour)
            for colour in value
        )
    )


def is_range(value: Any) -> bool:
    """Whether a value is a list of two numbers, the lower first."""
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value)) and value[0] < value[1]


NAMES: Check = (f"1 to {MOST} names", _are_names)
COLOURS: Check = ("colours of three whole numbers from 0 to 255 each", _are_colours)
RANGE: Check = ("two numbers, the lower first", is_range)
WORD: Check = ("a word", is_text)
POSITIVE: Check = ("a number above 0", lambda value: is_number(value) and 1e-30 <= value <= 1e30)  # in float32


def colours_fault(names: list[str], colours: list[list[int]]) -> str | None:
    """Why `colours` cannot be those of `names`, in words; None if they can."""
    if len(names) == len(colours):
        return None
    return f"'colours' are {len(colours)}, expected one for each of the {len(names)} names"
