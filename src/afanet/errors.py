"""The one exception for input that cannot be used, and how names and values are shown in what it says."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable

SEARCHED = 2000  # names for the nearest one, which takes ten milliseconds
LONGEST = 80  # letters of a name in a sentence


class InputError(ValueError):
    """Input that cannot be used: one sentence that says what was found, what was expected and what to do.

    The command line prints the sentence and exits with status 2; a program sees a `ValueError`.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """An `InputError` for a name that does not exist, with the nearest one that does.

    >>> print(unknown("method", "cross-stitch", ["single", "cross_stitch", "afa"]))
    unknown method 'cross-stitch', did you mean 'cross_stitch'? (known: single, cross_stitch, afa)
    """
    names, name = list(known), name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4) if len(names) <= SEARCHED else []
    hint = f", did you mean '{near[0]}'?" if near else "."
    listed = ", ".join(names) if len(names) <= 12 else ", ".join(names[:12]) + ", ..."
    return InputError(f"unknown {kind} {name!r:.120}{hint} (known: {listed})")


def shown(value: object, most: int = 60) -> str:
    """`repr(value)` in one line, so far as it fits into `most` characters, without what is behind ever being made.

    >>> shown("a recipe"), shown(list(range(10**6)), 12)
    ("'a recipe'", '[0, 1, 2, 3,')
    """
    return " ".join(_Short(most).repr(value).split("\n"))[:most]


class _Short(reprlib.Repr):
    def __init__(self, most: int) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxlong = self.maxother = 2 * most  # else the middle would be left out
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 20

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() < 10_000 else "a number of thousands of digits"
