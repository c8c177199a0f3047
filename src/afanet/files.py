"""Files that are written whole or not at all, and paths that stay in their folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from afanet.errors import InputError

LONGEST = 200  # bytes of a name: file systems take 255, and suffixes come on top


def path_in(folder: Path, *names: str) -> Path:
    """The path `folder/NAME/...`; every path that is written by a name from a file or a flag is made here.

    Raises `InputError` for a name that is not one plain part of a path, and so could lead out of `folder`.

    >>> path_in(Path("runs"), "rooms-afa-seed0").as_posix()
    'runs/rooms-afa-seed0'
    >>> path_in(Path("runs"), "../elsewhere")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: '../elsewhere' cannot name a file or folder in runs: expected one name without slashes...
    """
    for name in names:
        plain = Path(name).name == name and name not in ("", "..") and "\0" not in name
        if not plain or len(os.fsencode(name)) > LONGEST:
            raise InputError(
                f"{name[:LONGEST]!r} cannot name a file or folder in {folder}: expected one name without slashes, of "
                f"at most {LONGEST} bytes"
            )
    return folder.joinpath(*names)


def write_whole(file: Path, content: bytes | str) -> Path:
    """Write a file through `whole`."""
    with whole(file) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A path to write to, in the folder of `file`, which takes the place of `file` if the block ends well.

    Missing folders are made. If the block fails, or is interrupted, everything is as it was before. Raises `InputError`
    in place of an `OSError`.
    """
    partial = file.with_name(f".{secrets.token_hex(4)}.partial{''.join(file.suffixes[-2:])}")
    made = []
    try:
        made = make_folder(file.parent)
        try:
            yield partial
            partial.replace(file)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        remove_folders(made)
        reason = error.strerror or str(error)
        raise InputError(f"{file} cannot be written: {reason}") from error
    except BaseException:
        remove_folders(made)
        raise


def make_folder(folder: Path) -> list[Path]:
    """Make a folder where it is missing; returns those that were made, the outermost first."""
    made: list[Path] = []
    try:
        for path in reversed((folder, *folder.parents)):
            if not path.is_dir():
                with suppress(FileExistsError):  # another process made it meanwhile, or a file stands there
                    path.mkdir()
                    made.append(path)
        if not folder.is_dir():
            raise NotADirectoryError(20, "Not a directory", str(folder))
    except BaseException:
        remove_folders(made)
        raise
    return made


def remove_folders(made: list[Path]) -> None:
    """Remove folders that this process made, those that are still empty."""
    for path in reversed(made):
        with suppress(OSError):
            path.rmdir()
