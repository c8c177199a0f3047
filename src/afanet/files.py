"""Files: written as a whole or not at all, and read only if they are regular files of limited size."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from afanet.errors import InputError

LONGEST = 200  # bytes of a name: file systems allow 255, and suffixes need some of them
MOST_BYTES = 16 * 2**20  # of a text that is read whole: our own are thousands of times smaller
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def path_in(folder: Path, *names: str) -> Path:
    """The path `folder/NAME/...`; every output path with a name from a file or a flag is built here.

    Raises `InputError` for a name that is not one plain part of a path, since it could lead out of `folder`.

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


def write_all(contents: Mapping[Path, bytes | str]) -> list[Path]:
    """Write several files through `whole`; if one cannot be written, those before it are removed again."""
    written: list[Path] = []
    try:
        for file, content in contents.items():
            written.append(write_whole(file, content))
    except BaseException:
        remove_files(written)
        raise
    return written


def remove_files(files: Iterable[Path]) -> None:
    """Remove those of the files that exist and can be removed."""
    for file in files:
        with suppress(OSError):
            file.unlink(missing_ok=True)


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A temporary path in the folder of `file`, to write to; it replaces `file` if the block succeeds.

    Missing folders are created. If the block fails or is interrupted, nothing changes. Raises `InputError` instead of
    an `OSError`.
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


def require_writable(file: Path) -> None:
    """Raise `InputError` if `file` cannot be created or replaced: call this before minutes of work."""
    folder = next((parent for parent in file.absolute().parents if parent.exists()), Path("/"))
    if not folder.is_dir():
        raise InputError(f"{file} cannot be written: {folder} is a file, not a folder; give another name with --out")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{file} cannot be written: {folder} is read-only for you; give another one with --out")


def make_folder(folder: Path) -> list[Path]:
    """Create a folder and its missing parents; returns the created ones, the outermost first."""
    made: list[Path] = []
    try:
        for path in reversed((folder, *folder.parents)):
            if not path.is_dir():
                with suppress(FileExistsError):  # another process has created it meanwhile, or it is a file
                    path.mkdir()
                    made.append(path)
        if not folder.is_dir():
            raise NotADirectoryError(20, "Not a directory", str(folder))
    except BaseException:
        remove_folders(made)
        raise
    return made


def remove_folders(made: list[Path]) -> None:
    """Remove the folders `made` by this process that are still empty."""
    for path in reversed(made):
        with suppress(OSError):
            path.rmdir()


def require_regular(path: Path, most: int | None = None) -> Path:
    """`path`, unless it is a folder, a pipe, a device or a socket, or has more than `most` bytes.

    Opening a pipe waits for its writer, and a device may never end: call this before you open a file. Raises
    `InputError`; a file that is missing or inaccessible is left to the caller's `open`.

    >>> require_regular(Path("/dev/zero"))
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: /dev/zero is a device, expected a regular file
    """
    try:
        status = path.stat()
    except (OSError, ValueError):
        return path
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "no file")
        raise InputError(f"{path} is {kind}, expected a regular file")
    if most is not None and status.st_size > most:
        raise InputError(f"{path} has {status.st_size:,} bytes, expected at most {most:,}")
    return path


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a UTF-8 file of at most `most` bytes, with or without a byte-order mark.

    Raises `InputError` for a larger file and as `require_regular` does; `OSError` and `UnicodeDecodeError` as
    `Path.read_text` does.
    """
    with require_regular(path, most).open("rb") as file:
        content = file.read(most + 1)  # a file may grow, and those in /proc have no size
    if len(content) > most:
        raise InputError(f"{path} has more than {most:,} bytes, expected fewer")
    return content.decode("utf-8-sig")
