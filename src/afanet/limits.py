"""How large numbers from outside may be: what is beyond is a mistake or a trap, and would take the machine down."""

from __future__ import annotations

import os

MOST_PIXELS = 64_000_000  # of a picture: 8000x8000
MOST_SIDE = 8192  # pixels of an image that a network sees
MOST_SAMPLES = 1_000_000  # of a split that a program makes
MOST_COUNT = 10**9  # of anything in a recipe


def cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def most_processes() -> int:
    """How many processes at most are started here for one purpose: four a core, and 16 on a small machine."""
    return max(16, 4 * cores())
