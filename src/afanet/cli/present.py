"""Refusing what does not exist at once: a command calls these before it imports torch."""

from __future__ import annotations

from pathlib import Path

from afanet.paths import require_data, require_run


def require_present_run(*runs: Path) -> None:
    """Raises `InputError`, as reading them would, where one of the `runs` does not exist."""
    for run in runs:
        if not run.exists():
            require_run(run)


def require_present_data(source: Path) -> None:
    """Raises `InputError`, as recognising it would, where the data set at `source` does not exist."""
    if not source.exists():
        require_data(source)
