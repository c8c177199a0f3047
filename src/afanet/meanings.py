"""What a run or a file says of its tasks' estimates, checked before anything is built or drawn by it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

MOST = 65_536  # classes, labels and colours of a task
DECIMALS = 400  # of a number, at most: the smallest that there is has fewer
LATER = {"range"}  # keys that the first runs to keep a meaning do not have

Check = tuple[str, Callable[[Any], bool]]  # what is expected, and whether it is that


def is_number(value: Any) -> bool:
    """Whether it is a finite number, and no truth value."""
    largest = sys.float_info.max  # which a whole number of JSON may pass
    return isinstance(value, int | float) and not isinstance(value, bool) and -largest <= value <= largest


def is_whole(value: Any, least: int, most: int) -> bool:
    """Whether it is a whole number from `least` to `most`."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MOST and all(isinstance(name, str) for name in value)


def _are_colours(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= MOST
        and all(
            isinstance(one, list) and len(one) == 3 and all(is_whole(part, 0, 255) for part in one) for one in value
        )
    )


def _is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value)) and value[0] < value[1]


NAMES: Check = (f"1 to {MOST} names", _are_names)
COLOURS: Check = ("colours of three whole numbers from 0 to 255 each", _are_colours)
KINDS: dict[str, dict[str, Check]] = {
    "segmentation": {"classes": NAMES, "colours": COLOURS},
    "depth": {"far": ("a number above 0", lambda value: is_number(value) and value > 0), "colours": COLOURS},
    "normals": {"directions": NAMES, "colours": COLOURS},
    "classification": {"classes": NAMES},
    "ordinal": {"classes": NAMES},
    "multi_label": {"labels": NAMES},
    "regression": {
        "unit": ("a word", lambda value: isinstance(value, str)),
        "range": ("two numbers, the lower first", _is_range),
        "decimals": (f"a whole number from 0 to {DECIMALS}", lambda value: is_whole(value, 0, DECIMALS)),
    },
}


def meaning_fault(meaning: object) -> str | None:
    """What in a task's meaning cannot be, in words; None if all is as `Task.meaning` gives it.

    >>> meaning_fault({"kind": "classification", "classes": ["hall", "attic"]})
    >>> meaning_fault({"kind": "depth", "far": -1.0, "colours": [[0, 0, 0]]})
    "'far' is -1.0, expected a number above 0"
    """
    if not isinstance(meaning, Mapping):
        return f"it is {meaning!r:.60}, expected a kind with what belongs to it"
    kind = meaning.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        return f"'kind' is {kind!r:.60}, expected one of: {', '.join(KINDS)}"
    for key, (expected, fits) in KINDS[kind].items():
        if key not in meaning and key in LATER:
            continue
        if key not in meaning:
            return f"'{key}' is missing, expected {expected}"
        if not fits(meaning[key]):
            return f"'{key}' is {meaning[key]!r:.60}, expected {expected}"
    names = meaning.get("classes") if kind == "segmentation" else meaning.get("directions")
    if names is not None and len(names) != len(meaning["colours"]):
        return f"'colours' are {len(meaning['colours'])}, expected one for each of the {len(names)} names"
    return None
