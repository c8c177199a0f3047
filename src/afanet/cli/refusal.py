"""How a command reports an error that ends it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path


def reason(error: OSError) -> str:
    """The reason that the operating system gives, with the file's name if there is one."""
    try:
        Path.cwd()
    except OSError:
        return "the folder that you are in no longer exists: change to another one"
    name = error.filename2 or error.filename
    file = f"{os.fsdecode(name) if isinstance(name, bytes) else name}: " if name else ""
    return f"{file}{error.strerror or error}"


def refuse(sentence: str) -> int:
    """Print an error; returns the exit status."""
    print(f"afanet: error: {printable(sentence)}", file=sys.stderr)
    return 2


def printable(text: str) -> str:
    """Text with its control characters escaped as Python writes them, so that a terminal does not run them.

    >>> print(printable("a\\x1b[2Jb"))
    a\\x1b[2Jb
    """
    return re.sub("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]", lambda match: repr(match[0])[1:-1], text)
