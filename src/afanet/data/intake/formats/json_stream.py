"""The items of arrays in JSON files of any size, one at a time."""

from __future__ import annotations

import codecs
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any, BinaryIO

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.install import missing_package
from afanet.json_text import DEEPEST

TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
OTHERS = bytes(set(range(256)) - set(b"[]{}"))
STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def json_items(file: Path, prefix: str) -> Generator[Any, None, None]:
    """The items at `prefix`, such as `images.item`; whole numbers stay whole, others become floats.

    Raises `InputError` for a file that is cut short, is not JSON in UTF-8, or is nested too deeply.
    """
    try:
        import ijson
    except ModuleNotFoundError:
        raise InputError(missing_package("ijson", "labels")) from None
    try:
        with require_regular(file).open("rb") as stream:
            yield from ijson.items(_Shallow(stream, file), prefix, use_float=True)
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise InputError(f"{file} {_fault(str(error))}: copy or export it again") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None


def _fault(text: str) -> str:
    """The parser's error in plain words."""
    if "premature EOF" in text or "ncomplete" in text:
        return "is cut short, expected whole JSON"
    if "UTF8" in text or "utf" in text.lower():
        return "is not UTF-8 text, expected JSON"
    if re.search(r"\bNaN|\bInfinity|overflow", text):
        return "has a number that is not finite or too large, which JSON does not know"
    return f"is not JSON: {text.splitlines()[0].strip():.100}" if text.isprintable() or "\n" in text else "is not JSON"


class _Shallow:
    """A stream that refuses deep nesting before the parser sees it: parsers need memory quadratic in the depth."""

    def __init__(self, stream: BinaryIO, file: Path) -> None:
        self.stream, self.file = stream, file
        self.depth, self.open = 0, b""
        self.begun = False

    def read(self, size: int = -1) -> bytes:
        block = self.stream.read(size)
        if not self.begun and size:
            self.begun = True
            if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InputError(f"{self.file} is UTF-16 text, expected UTF-8: save it as UTF-8")
            if block.startswith(codecs.BOM_UTF8):
                block = block[len(codecs.BOM_UTF8) :] + self.stream.read(len(codecs.BOM_UTF8))
        self._check(block)
        return block

    def _check(self, block: bytes) -> None:
        outside = TEXT.sub(b"", self.open + block)
        outside, quote, begun = outside.partition(b'"')
        cut = len(begun) - len(begun.rstrip(b"\\"))
        self.open = quote + b"\\" * (cut % 2)  # keep enough of an unfinished string to recognise it in the next block
        for bracket in outside.translate(None, OTHERS):
            self.depth += STEPS[bracket]
            if self.depth > DEEPEST:
                raise InputError(f"{self.file} is nested more than {DEEPEST} deep, expected less")
