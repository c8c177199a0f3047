"""Fetches the files of a stream: retries late and incomplete files, and reports a file that does not come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from afanet.data.streams.place import Place
from afanet.errors import InputError

ATTEMPTS = 5
PATIENCE = 10.0  # seconds without a byte in the first attempt; doubled for each further attempt
PAUSE = 1.0  # seconds before the second attempt; doubled for each further attempt
LONGEST = 900.0  # most seconds for one attempt
CHUNK = 2**20  # bytes

Say = Callable[[str], None]
Result = TypeVar("Result")


def fetch_shard(place: Place, name: str, size: int, digest: str, file: Path, say: Say) -> None:
    """Copy a shard of `size` bytes, whose SHA-256 is `digest`, into `file`, which exists and already has its size.

    A late shard is requested up to `ATTEMPTS` times, a cut or changed one twice; `say` prints a line for each retry.
    Raises `InputError` for a shard that does not come or does not match the index, and for a full disk.
    """
    for last in (False, True):
        length, found = patiently(place, name, lambda patience: _copy(place, name, size, file, patience), say)
        if (length, found) == (size, digest):
            return
        what = f"{length:,} bytes of {size:,}" if length != size else f"SHA-256 {found[:12]}, not {digest[:12]}"
        if not last:
            say(f"{place.file(name)} came cut or changed ({what}): fetching it again")
    raise InputError(
        f"{place.file(name)} is not what the stream's index says ({what}), twice: copy it again from where the stream "
        "was written, or write the stream again with `afanet data prepare --stream`"
    )


def fetch_text(place: Place, name: str, most: int, say: Say) -> str:
    """A text of at most `most` bytes; raises `InputError` as `fetch_shard` does."""

    def read(patience: float) -> bytes:
        with closing(place.open(name, patience)) as remote:
            return b"".join(_chunks(remote.read, most))

    content = patiently(place, name, read, say)
    if len(content) > most:
        raise InputError(f"{place.file(name)} has more than {most:,} bytes, expected the index of a stream")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InputError(f"{place.file(name)} is not UTF-8 text, expected the index of a stream") from None


def patiently(place: Place, name: str, attempt: Callable[[float], Result], say: Say) -> Result:
    """What `attempt(patience)` returns, tried `ATTEMPTS` times with growing patience and pauses between them.

    Raises `InputError` if the last attempt fails too, and at once if the server answers that the file does not exist
    or may not be read.
    """
    for number in range(ATTEMPTS):
        patience = PATIENCE * 2**number
        try:
            return attempt(patience)
        except InputError:
            raise
        except Exception as error:  # errors of fsspec, aiohttp, botocore or the system
            if refusal := _refused(error):
                raise InputError(f"{place.file(name)} cannot be read: {refusal}") from None
            reason = _reason(error, patience)
        if number + 1 < ATTEMPTS:
            pause = PAUSE * 2**number
            say(f"{place.file(name)} is late ({reason}): asking again in {pause:g} s ({number + 2} of {ATTEMPTS})")
            time.sleep(pause)
    raise InputError(
        f"{place.file(name)} did not come in {ATTEMPTS} attempts ({reason}): see that the server answers, then give "
        "the same command with --resume"
    )


def _copy(place: Place, name: str, size: int, file: Path, patience: float) -> tuple[int, str]:
    """The number of bytes received, at most one more than `size`, and their SHA-256."""
    length, digest = 0, sha256()
    with closing(place.open(name, patience)) as remote, file.open("r+b") as local:
        for chunk in _chunks(remote.read, size):
            length += len(chunk)
            digest.update(chunk)
            try:
                local.write(chunk)
                local.flush()
            except OSError as error:
                raise full(file.parent, error) from None
        local.truncate(size)
    return length, digest.hexdigest()


def full(folder: Path, error: OSError) -> InputError:
    """An `InputError` for a folder of shards that cannot be written."""
    return InputError(
        f"shards cannot be kept in {folder} ({error.strerror or error}): make room, lower data.stream_cache, or set "
        "AFANET_CACHE to a folder on a larger disk"
    )


def _chunks(read: Callable[[int], bytes], most: int) -> Iterator[bytes]:
    """The chunks that `read` gives, to the end or to one byte more than `most`."""
    ends, left = time.monotonic() + LONGEST, most + 1
    while left and (chunk := read(min(CHUNK, left))):
        left -= len(chunk)
        yield chunk
        if time.monotonic() > ends:
            raise TimeoutError


def _refused(error: Exception) -> str | None:
    """Why a retry is useless, and what to do; None if a retry may help."""
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return "there is no such file (404): check the address, or copy the whole stream there again"
    if isinstance(error, PermissionError) or status in (401, 403):
        return f"access is denied ({status or 403}): check the address, and the credentials of the store"
    if type(error).__name__ == "NoCredentialsError":
        return "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
    if isinstance(error, IsADirectoryError | NotADirectoryError):
        return f"{error.strerror}: check the address"
    return f"the server answers {status}: check the address" if status and 400 <= status < 500 else None


def _reason(error: Exception, patience: float) -> str:
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return f"no answer in {patience:g} s"
    if status := getattr(error, "status", None):
        return f"the server answers {status}"
    if any(word in type(error).__name__ for word in ("Payload", "IncompleteRead", "Disconnected")):
        return "the connection broke off"
    if "Connect" in type(error).__name__:
        return "no connection"
    return f"{error or type(error).__name__}".splitlines()[0][:120]
