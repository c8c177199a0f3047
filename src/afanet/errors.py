"""The exception for input that cannot be used, and how its messages show names and values."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from traceback import extract_tb

from afanet.suggest import nearest, ranked

LIBRARIES = ("afanet", "torch", "onnxscript", "onnx_ir", "onnx")  # packages that run other people's code
LISTED = 12  # most known names that a message lists
LONGEST = 80  # most characters of a name that a message shows


class InputError(ValueError):
    """Input that cannot be used: one sentence that says what was found, what was expected and what to do.

    The command line prints the sentence and exits with status 2; a program sees a `ValueError`.
    """


def unknown(kind: str, name: str, known: Iterable[str], examples: Sequence[str] = ()) -> InputError:
    """An `InputError` for a name that does not exist, which suggests the nearest existing name.

    If there are more than a dozen known names, it lists only the `examples` or, without them, the nearest names.

    >>> print(unknown("method", "cross-stitch", ["single", "cross_stitch", "afa"]))
    unknown method 'cross-stitch', did you mean 'cross_stitch'? (known: single, cross_stitch, afa)
    """
    names, name = list(known), name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
    near = nearest(name, names)
    hint = f", did you mean '{near}'?" if near else "."
    if len(names) > LISTED:
        names = [*(examples or ranked(name, names)[:LISTED]), "..."]
    listed = ", ".join(names)
    return InputError(f"unknown {kind} {name!r:.120}{hint} (known: {listed})")


def shown(value: object, most: int = 60) -> str:
    """The first `most` characters of `repr(value)`, in one line; the rest of the text is never built.

    >>> shown("a recipe"), shown(list(range(10**6)), 12)
    ("'a recipe'", '[0, 1, 2, 3,')
    """
    return " ".join(_Short(most).repr(value).split("\n"))[:most]


def raised_at(error: BaseException) -> str:
    """File, line and text of the innermost code outside `LIBRARIES` that raised an error; empty if there is none."""
    lines = []
    while True:
        lines += [frame for frame in extract_tb(error.__traceback__) if not _is_library(frame.filename)]
        cause = error.__cause__ or error.__context__
        if lines or cause is None:
            break
        error = cause
    return f"{lines[-1].filename}, line {lines[-1].lineno}, `{lines[-1].line}`" if lines else ""


def _is_library(file: str) -> bool:
    """Whether code belongs to one of `LIBRARIES`, or to no file at all."""
    modules = [sys.modules.get(name) for name in LIBRARIES]
    folders = [Path(module.__file__).parent for module in modules if module is not None and module.__file__]
    return file.startswith("<") or any(Path(file).is_relative_to(folder) for folder in folders)


class _Short(reprlib.Repr):
    def __init__(self, most: int) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxlong = self.maxother = 2 * most  # `Repr` would otherwise leave out the middle
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 20

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() < 10_000 else "a number of thousands of digits"
