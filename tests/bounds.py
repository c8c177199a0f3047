"""Bounds on time and memory for a test whose failure would wait for ever or take the machine down."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Blocked(BaseException):
    """The time is over; not an `Exception`, which a reader of broken files might take for the file's fault."""


@contextmanager
def bounded(seconds: int = 10, more: int = 2 << 30) -> Iterator[None]:
    """What runs in this context ends after so many seconds, and gets so many bytes beyond what the process holds."""

    def stop(*_: object) -> None:
        raise Blocked(f"not done after {seconds} seconds")

    held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    memory = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (held + more, memory[1]))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, memory)
        signal.signal(signal.SIGALRM, before)
