"""Shortens lists of many faults of the same kind."""

from __future__ import annotations

import re
from collections.abc import Iterable

EXAMPLES = 3  # of each kind
# The parts in which faults of one kind may differ: quoted text, paths, and words with digits.
DIFFERS = re.compile(r"\'(?:[^\']|\'(?=\w))*\'|\S*[/\\]\S*|\S*\d\S*|\S+\.\w{2,4}\b")


def grouped(faults: Iterable[str]) -> list[str]:
    """The faults in order; of more than three of one kind, the first three and the number of the others.

    Faults are of one kind if they differ only in quoted text, numbers and paths.

    >>> for line in grouped(f"m.csv, line {number}: unknown tag 'a,b'" for number in range(2, 41)):
    ...     print(line)
    m.csv, line 2: unknown tag 'a,b'
    m.csv, line 3: unknown tag 'a,b'
    m.csv, line 4: unknown tag 'a,b'
    ... and 36 more like the last 3
    """
    kinds: dict[str, list[str]] = {}
    for fault in faults:
        kinds.setdefault(DIFFERS.sub("...", fault), []).append(fault)
    lines = []
    for kind in kinds.values():
        lines += kind[:EXAMPLES]
        if len(kind) > EXAMPLES:
            lines.append(f"... and {len(kind) - EXAMPLES} more like the last {EXAMPLES}")
    return lines
