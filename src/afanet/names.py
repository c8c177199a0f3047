"""The names that tasks and layers may have: they become attributes, folders and, in networks, Python."""

from __future__ import annotations

import re
from collections.abc import Container
from keyword import iskeyword

LONGEST = 64

_TASK = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*")
_PART = re.compile(r"[A-Za-z0-9_-]+")


def name_fault(name: object, taken: Container[str] = frozenset()) -> str | None:
    """Why `name` cannot be a task's, in words; None if it can. Names in `taken` are refused too.

    >>> [name_fault(name, {"training"}) for name in ("age", "class", "training")]
    [None, 'is taken', 'is taken']
    >>> name_fault("5_o_Clock_Shadow")
    'is no word of letters, digits and _ (at most 64) that begins with a letter or a single _'
    """
    if not isinstance(name, str) or len(name) > LONGEST or not _TASK.fullmatch(name):
        return f"is no word of letters, digits and _ (at most {LONGEST}) that begins with a letter or a single _"
    return "is taken" if iskeyword(name) or name in taken else None


def layer_fault(path: str) -> str | None:
    """Which part of a layer's dotted path cannot be written in a network's code, in words; None if all can.

    >>> layer_fault("stages.0.left-eye")
    >>> layer_fault("stages.a b")
    "has 'a b' in its name, which is no word of letters, digits, _ and -"
    >>> layer_fault("stages.class")
    "has 'class' in its name, which is a word of Python's own"
    """
    for part in path.split("."):
        if not _PART.fullmatch(part):
            return f"has {part!r:.60} in its name, which is no word of letters, digits, _ and -"
        if iskeyword(part):
            return f"has '{part}' in its name, which is a word of Python's own"
    return None
