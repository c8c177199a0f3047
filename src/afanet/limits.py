"""How large numbers from outside may be: what is beyond is a mistake or a trap, and would take the machine down."""

from __future__ import annotations

import os
from pathlib import Path

MOST_PIXELS = 64_000_000  # of a picture, 8000x8000: larger is more likely to be a trap than a photo
MOST_SIDE = 4096  # pixels of an image that a network sees
MOST_CHANNELS = 256  # of an image that a network sees
MOST_SAMPLES = 1_000_000  # of a split that a program makes
MOST_COUNT = 10**9  # of anything in a recipe
MOST_TASKS = 1000  # of a network
MOST_SEEDS = 1000  # of a comparison
MOST_PHOTOS = 1024  # that are held at once
MOST_VIEWS = 1000  # of an image whose features are kept
MOST_SCALES = 16  # at which a photo is looked at
UNKNOWN = 2**63  # bytes of memory, where a machine does not say: more than any has


def cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def readers() -> int:
    """How many processes read samples where nobody says how many: one a core, and at most 8."""
    return min(8, cores())


def most_processes() -> int:
    """How many processes at most are started here for one purpose: four a core, and 16 on a small machine."""
    return max(16, 4 * cores())


def available_memory() -> int:
    """The bytes of memory that a process could use without swapping; all that the machine has where nothing says so."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return memory()


def memory() -> int:
    """The bytes of memory that this machine has; `UNKNOWN` where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return UNKNOWN
