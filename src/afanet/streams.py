"""The standard output and error: they write every character, and work goes on if nobody reads them."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any, TextIO, cast

# What is written for a character that an encoding lacks; any other such character, as in a name, is escaped.
ASCII = {"↑": "^", "↓": "v", "▲": "+", "▼": "-", "△": "(+)", "▽": "(-)", "≈": "~", "±": "+/-", "█": "#", "▏": "|"} | {
    "…": "...", "×": "x", "°": " deg", "²": "2", "→": "->", "←": "<-", "–": "-", "—": "-", "·": ".", "•": "*", "○": "o",
    "●": "*", "≤": "<=", "≥": ">=", "µ": "u", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"',
}  # fmt: skip
HANDLER = "afanet"  # the name of the rule above among Python's error handlers for encodings
OF_PYTHON = ("strict", "surrogateescape", "backslashreplace")  # any other error handler is the user's choice


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    if "\udc80" <= sign <= "\udcff":  # a byte of a file's name that is not text: it stays that byte
        return bytes([ord(sign) - 0xDC00]), error.start + 1
    return ASCII.get(sign) or ascii(sign)[1:-1], error.start + 1


codecs.register_error(HANDLER, _in_ascii)


def encodable(text: str, encoding: str) -> str:
    """The text in characters that an encoding has.

    >>> encodable("miou ↑ 0.41 ± 0.02 of 'größe'", "ascii"), encodable("0.41 ± 0.02 ▲", "cp1252")
    ("miou ^ 0.41 +/- 0.02 of 'gr\\\\xf6\\\\xdfe'", '0.41 ± 0.02 +')
    """
    return text.encode(encoding, HANDLER).decode(encoding, "surrogateescape")


class Lenient:
    """A standard stream that takes everything, whether or not anybody reads it, so that work goes on.

    `error` is why it could not write, such as a full disk or a reader that has left; later text is dropped.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Write a text as `encodable` gives it."""
        if self.error is None:
            try:
                return self.stream.write(text)
            except OSError as error:
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Write out the text that the stream has buffered."""
        try:
            self.stream.flush()
        except OSError as error:
            self._lose(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _lose(self, error: OSError) -> None:
        self.error = self.error or error
        with suppress(OSError, ValueError):  # a stream that is no file has no number
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())  # when Python ends, it flushes the stream once more
            os.close(nowhere)


@contextmanager
def standard_streams() -> Iterator[Lenient]:
    """A context in which the standard output and error are open, lenient, and write every character; yields the output.

    An error handler that the user chose stays, as by `PYTHONIOENCODING=ascii:replace`.
    """
    _open_closed()
    before = sys.stdout, sys.stderr
    changed = [s for s in before if isinstance(s, TextIOWrapper) and s.errors in OF_PYTHON]
    rules = [str(stream.errors) for stream in changed]
    output, errors = map(Lenient, before)
    try:
        for stream in changed:
            stream.reconfigure(errors=HANDLER)
        sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, errors)
        yield output
    finally:
        output.flush()
        errors.flush()
        sys.stdout, sys.stderr = before
        for stream, rule in zip(changed, rules, strict=True):
            stream.reconfigure(errors=rule)


def _open_closed() -> None:
    """Open closed standard streams to nowhere, so that no later file gets their descriptors and their text."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: PTH123, SIM115
