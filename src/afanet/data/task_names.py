"""What a task of a data set may be called."""

from __future__ import annotations

from torch import nn

from afanet.names import name_fault as fault_of_word

ATTRIBUTES = frozenset(dir(nn.ModuleDict()))


def name_fault(name: str) -> str | None:
    """Why `name` cannot be a task's, in words; None if it can: see `afanet.names`.

    Networks and losses keep tasks as attributes of modules, whose own are taken.

    >>> [name_fault(name) for name in ("age", "class", "training")]
    [None, 'is taken', 'is taken']
    """
    return fault_of_word(name, ATTRIBUTES)
