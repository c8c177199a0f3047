"""The shards kept on this machine: a folder of limited size that all its processes share."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path

from filelock import FileLock

from afanet.data.streams.fetch import Say, fetch_shard, full
from afanet.data.streams.index import Shard
from afanet.data.streams.place import Place
from afanet.errors import InputError
from afanet.files import path_in

ABANDONED = 1200.0  # seconds after which a partial file is abandoned: longer than an attempt


class LocalShards:
    """Shards from `place` in `folder`, which holds at most `most` bytes: the least recently read shards make room.

    A shard is named by its hash, and is checked against it on arrival and when a process first reads it. If several
    processes need a shard, one of them fetches it.
    """

    def __init__(self, place: Place, folder: Path, most: int, say: Say):
        self.place, self.folder, self.most, self.say = place, folder, most, say
        self.checked: set[tuple[int, int, int]] = set()

    def path(self, shard: Shard) -> Path:
        """The file of a shard, fetched if it is not here; raises `InputError` as `fetch_shard` does.

        Another process may remove the file at any time: open it at once, and ask again if it is gone.
        """
        file = path_in(self.folder, f"{shard.sha256}.shard")
        if self._is_here(file, shard):
            return file
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / f"lock-{shard.sha256[0]}"):
                if not self._is_here(file, shard):
                    self._fetch(shard, file)
        except OSError as error:
            raise full(self.folder, error) from None
        return file

    def _fetch(self, shard: Shard, file: Path) -> None:
        partial = file.with_suffix(".partial")
        try:
            self._reserve(shard.size, partial)
            fetch_shard(self.place, shard.name, shard.size, shard.sha256, partial, self.say)
            partial.replace(file)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        with suppress(FileNotFoundError):  # another process has removed it already
            self.checked.add(_identity(file.stat()))

    def _is_here(self, file: Path, shard: Shard) -> bool:
        """Whether a complete shard is here, which then counts as read now. A damaged shard is removed."""
        try:
            status = file.stat()
            if _identity(status) not in self.checked:
                with file.open("rb") as opened:
                    if file_digest(opened, "sha256").hexdigest() != shard.sha256:
                        self.say(f"{file} is damaged: fetching it again")
                        file.unlink(missing_ok=True)
                        return False
                self.checked.add(_identity(status))
            os.utime(file, ns=(time.time_ns(), status.st_mtime_ns))
        except FileNotFoundError:
            return False
        return True

    def _reserve(self, size: int, partial: Path) -> None:
        """Make room for `size` bytes, and reserve it with a file of that size."""
        while True:
            with FileLock(self.folder / "lock"):
                if self._make_room(size, partial):
                    with partial.open("wb") as file:
                        file.truncate(size)
                    return
            time.sleep(0.1)  # until other processes have fetched their shards

    def _make_room(self, size: int, partial: Path) -> bool:
        kept = []
        for file in self.folder.iterdir():
            with suppress(FileNotFoundError):
                status = file.stat()
                if file.suffix == ".partial" and time.time() - status.st_mtime > ABANDONED:
                    file.unlink(missing_ok=True)
                elif file.suffix in (".partial", ".shard") and file != partial:
                    kept.append((status.st_atime_ns, status.st_size, file))
        total = sum(length for _, length, _ in kept) + size
        for _, length, file in sorted(kept):
            if total <= self.most:
                break
            if file.suffix == ".shard":
                file.unlink(missing_ok=True)
                total -= length
        return total <= self.most


def require_room(shards: list[Shard], at_once: int, most: int) -> None:
    """Raise `InputError` if `most` bytes cannot hold the shards that training reads at once."""
    needed = sum(sorted((shard.size for shard in shards), reverse=True)[:at_once])
    if needed > most:
        raise InputError(
            f"data.stream_cache is {most / 1e9:g} GB, but training reads {min(at_once, len(shards))} shards of up to "
            f"{max(shard.size for shard in shards) / 1e6:.3g} MB at once: give it at least {needed / 1e9:.2g}"
        )


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_mtime_ns, status.st_size
