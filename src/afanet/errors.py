"""The one exception for input that cannot be used, and the nearest name to a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used: one sentence that says what was found, what was expected and what to do.

    The command line prints the sentence and exits with status 2; a program sees a `ValueError`.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """An `InputError` for a name that does not exist, with the nearest one that does.

    >>> print(unknown("method", "cross-stitch", ["single", "cross_stitch", "afa"]))
    unknown method 'cross-stitch', did you mean 'cross_stitch'? (known: single, cross_stitch, afa)
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f", did you mean '{near[0]}'?" if near else "."
    listed = ", ".join(names) if len(names) <= 12 else ", ".join(names[:12]) + ", ..."
    return InputError(f"unknown {kind} '{name}'{hint} (known: {listed})")
