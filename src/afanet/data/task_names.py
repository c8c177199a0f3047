"""The names that a task of a data set may have."""

from __future__ import annotations

from torch import nn

from afanet.names import name_fault as fault_of_word

ATTRIBUTES = frozenset(dir(nn.ModuleDict()))


def name_fault(name: str) -> str | None:
    """Why a task cannot be called `name`, in words; None if it can, see `afanet.names`.

    Networks and losses store tasks as attributes of modules, so the names of modules' own attributes are taken.

    >>> [name_fault(name) for name in ("age", "class", "training")]
    [None, 'is taken', 'is taken']
    """
    return fault_of_word(name, ATTRIBUTES)
