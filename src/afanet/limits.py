"""Limits on numbers from outside: a larger one is a mistake or an attack, and would take the machine down."""

from __future__ import annotations

import os
from pathlib import Path

MOST_PIXELS = 64_000_000  # of a picture, 8000x8000: a larger file is more likely an attack than a photo
MOST_SIDE = 4096  # pixels of an image that a network sees
MOST_CHANNELS = 256  # of an image that a network sees
MOST_SAMPLES = 1_000_000  # of a split that is generated
MOST_COUNT = 10**9  # of anything in a recipe
MOST_TASKS = 1000  # of a network
MOST_SEEDS = 1000  # of a comparison
MOST_PHOTOS = 1024  # that are in memory at once
MOST_VIEWS = 1000  # of an image whose features are kept
MOST_SCALES = 16  # over which the predictions for a photo are averaged
UNKNOWN = 2**63  # bytes of memory if they are unknown: more than any machine has


def cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def readers() -> int:
    """How many processes read samples by default: one per core, at most 8."""
    return min(8, cores())


def most_processes() -> int:
    """How many processes may be started here for one purpose: four per core, or 16 on a small machine."""
    return max(16, 4 * cores())


def available_memory() -> int:
    """The bytes of memory that a process can use without swapping; all memory if the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return memory()


def memory() -> int:
    """The bytes of memory that this machine has; `UNKNOWN` if the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return UNKNOWN
