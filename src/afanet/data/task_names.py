"""What a task may be called."""

from __future__ import annotations

from keyword import iskeyword

from torch import nn

ATTRIBUTES = frozenset(dir(nn.ModuleDict()))


def name_fault(name: str) -> str | None:
    """Why `name` cannot be a task's, in words; None if it can.

    Networks and losses keep tasks as attributes of modules, and woven networks as names in Python code.

    >>> [name_fault(name) for name in ("age", "class", "training", "5_o_Clock_Shadow")]
    [None, 'is taken', 'is taken', 'is no word of letters, digits and _ that begins with none of the digits']
    """
    if iskeyword(name) or name in ATTRIBUTES:
        return "is taken"
    if not (name.isascii() and name.isidentifier()):
        return "is no word of letters, digits and _ that begins with none of the digits"
    return None
