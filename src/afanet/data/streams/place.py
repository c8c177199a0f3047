"""Where a stream is: a folder, a web server or an S3-like store."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit

from afanet.errors import InputError
from afanet.files import path_in, write_whole
from afanet.install import missing_package

SCHEMES = {"http": "aiohttp", "https": "aiohttp", "s3": "s3fs"}  # each with the module that fsspec needs


class Place:
    """The files of a stream at `address`: the path of a folder, or an address that begins with one of `SCHEMES`.

    Raises `InputError` for another scheme, for an address with a password, which every run would keep, and if a package
    is missing.

    >>> Place("https://example.org/rooms").file("index.json")
    'https://example.org/rooms/index.json'
    >>> Place("ftp://example.org/rooms")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: stream ftp://example.org/rooms begins with ftp://, expected a folder, http://, https://...
    """

    def __init__(self, address: str):
        self.address = address.rstrip("/") or "/"
        self.scheme = address.partition("://")[0] if "://" in address else ""
        if not self.scheme:
            return
        if self.scheme not in SCHEMES:
            listed = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise InputError(f"stream {address} begins with {self.scheme}://, expected a folder, {listed}")
        parts = urlsplit(address)
        if parts.password or parts.query or parts.fragment:
            raise InputError(
                f"the address of the stream at {parts.hostname} has a password, a '?' or a '#', which every run would "
                "keep: give the address alone, and credentials as the store's own tools take them"
            )
        if missing := next((name for name in ("fsspec", SCHEMES[self.scheme]) if find_spec(name) is None), None):
            raise InputError(f"stream {address}: {missing_package(missing, 'stream')}")

    def file(self, name: str) -> str:
        """The address of one of the files."""
        return f"{self.address.rstrip('/')}/{name}" if self.scheme else str(path_in(Path(self.address), name))

    def open(self, name: str, patience: float) -> IO[bytes]:
        """A file, open at its beginning; reading raises an error if nothing comes for `patience` seconds."""
        if not self.scheme:
            return Path(self.file(name)).open("rb")
        files = self._files(patience)
        more = {"cache_type": "none"} if self.scheme == "s3" else {"block_size": 0, "size": 1}  # read without seeking
        return cast(IO[bytes], files.open(self.file(name), "rb", **more))

    def write(self, name: str, content: bytes) -> None:
        """Write a file as a whole; raises `InputError` if it cannot be written."""
        if not self.scheme:
            write_whole(Path(self.file(name)), content)
            return
        if self.scheme != "s3":
            raise InputError(
                f"{self.address} is on a web server, which cannot be written: write the stream into a folder, and put "
                "the folder on the server"
            )
        try:
            self._files(60).pipe_file(self.file(name), content)
        except Exception as error:  # errors of the store's own kinds
            reason = f"{error or type(error).__name__}".splitlines()[0]
            raise InputError(f"{self.file(name)} cannot be written ({reason}): check bucket and credentials") from None

    def _files(self, patience: float) -> Any:
        import fsspec

        if self.scheme == "s3":
            waits = {"connect_timeout": patience, "read_timeout": patience, "retries": {"max_attempts": 0}}
            files = fsspec.filesystem("s3", config_kwargs=waits, use_listings_cache=False)
            files.retries = 1  # `fetch` does the retries, and prints them
            return files
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=patience, sock_read=patience)
        plain = {"Accept-Encoding": "identity"}
        return fsspec.filesystem(self.scheme, client_kwargs={"timeout": timeout, "headers": plain})
