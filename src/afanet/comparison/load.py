"""How busy the machine is with other work, which makes measured costs too high."""

from __future__ import annotations

import os
import time
from pathlib import Path

from afanet.runs.kept import Load

STAT = Path("/proc/stat")  # only Linux has it
SECONDS = 0.5
FREE = 0.75  # of a core for each thread: what other work must leave free


def machine_load() -> Load | None:
    """The cores that are busy now, measured over half a second in which this process waits; None if that is unknown.

    `threads` is the number of all cores; the costs say how many were used. Without /proc/stat, it is the load of the
    last minute, which includes this process.
    """
    cores = os.cpu_count() or 1
    if not STAT.is_file():
        return Load(os.getloadavg()[0], cores, cores) if hasattr(os, "getloadavg") else None
    before = _ticks()
    time.sleep(SECONDS)
    busy, idle = (now - then for now, then in zip(_ticks(), before, strict=True))
    return Load(round(cores * busy / max(1, busy + idle), 2), cores, cores)


def is_overloaded(load: Load | None) -> bool:
    """Whether other work left too little for reliable times: less than three quarters of a core for each thread.

    >>> is_overloaded(Load(0.3, 4, 4)), is_overloaded(Load(1.5, 4, 4)), is_overloaded(Load(40.0, 64, 4))
    (False, True, False)
    """
    return load is not None and load.cores - load.busy < FREE * min(load.threads, load.cores)


def _ticks() -> tuple[int, int]:
    """The ticks for which all cores were busy, and idle, since the machine started."""
    user, nice, system, idle, iowait, irq, softirq, steal = map(int, STAT.read_text().split()[1:9])
    return user + nice + system + irq + softirq + steal, idle + iowait
