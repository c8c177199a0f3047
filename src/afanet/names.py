"""The names that tasks and layers may have: they become attributes, folders and, in networks, Python code."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from keyword import iskeyword

from afanet.errors import InputError, shown, unknown

LONGEST = 64

_TASK = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*")
_PART = re.compile(r"[A-Za-z0-9_-]+")


def name_fault(name: object, taken: Container[str] = frozenset()) -> str | None:
    """Why a task cannot be called `name`, in words; None if it can. Names in `taken` are refused too.

    >>> [name_fault(name, {"training"}) for name in ("age", "class", "training")]
    [None, 'is taken', 'is taken']
    >>> name_fault("5_o_Clock_Shadow")
    'is not a word of letters, digits and _ (at most 64) that begins with a letter or a single _'
    """
    if not isinstance(name, str) or len(name) > LONGEST or not _TASK.fullmatch(name):
        return f"is not a word of letters, digits and _ (at most {LONGEST}) that begins with a letter or a single _"
    return "is taken" if iskeyword(name) or name in taken else None


def layer_fault(path: str) -> str | None:
    """Which part of a layer's dotted path cannot be written in a network's code, in words; None if all can.

    >>> layer_fault("stages.0.left-eye")
    >>> layer_fault("stages.a b")
    "has 'a b' in its name, which is not a word of letters, digits, _ and -"
    >>> layer_fault("stages.class")
    "has 'class' in its name, which is a word of Python's own"
    """
    for part in path.split("."):
        if not _PART.fullmatch(part):
            return f"has {part!r:.60} in its name, which is not a word of letters, digits, _ and -"
        if iskeyword(part):
            return f"has '{part}' in its name, which is a word of Python's own"
    return None


def chosen_tasks(tasks: Sequence[str], known: Sequence[str]) -> list[str]:
    """The chosen tasks, in the order of the known ones.

    Raises:
        InputError: if a task is unknown or named twice, or if none is chosen.

    >>> chosen_tasks(["normals", "depth"], ["segmentation", "depth", "normals"])
    ['depth', 'normals']
    """
    if isinstance(tasks, str) or not all(isinstance(task, str) for task in tasks):
        raise InputError(f"tasks is {shown(tasks)}, expected a list of their names, such as {[*known][:1]}")
    for task in tasks:
        if task not in known:
            raise unknown("task", task, known)
        if list(tasks).count(task) > 1:
            raise InputError(f"task '{task}' is named twice: name each task once")
    if not tasks:
        raise InputError(f"no task was chosen: expected at least one of {', '.join(known)}")
    return [task for task in known if task in tasks]
