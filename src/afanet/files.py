"""Files that are whole or not there."""

from __future__ import annotations

from pathlib import Path

from afanet.errors import InputError


def write_whole(file: Path, content: bytes | str) -> Path:
    """Write a file under another name and rename it, in a folder that is made where it is missing.

    Raises `InputError` where that cannot be; what stood there before then stands there still.
    """
    partial = file.with_name(f"{file.name}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content.encode() if isinstance(content, str) else content)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}") from None
    return file
