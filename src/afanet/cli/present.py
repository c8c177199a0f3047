"""Checks of paths that a command calls before it imports torch, so that it refuses missing ones at once."""

from __future__ import annotations

from pathlib import Path

from afanet.paths import is_on_hub, require_data, require_run


def require_present_run(*runs: Path) -> None:
    """Raise the `InputError` of reading a run if one of the `runs` does not exist; the hub is not asked."""
    for run in runs:
        if not is_on_hub(run) and not run.exists():
            require_run(run)


def require_present_model(*models: Path) -> None:
    """As `require_present_run`, but of a file that is missing its own runtime complains, see `open_file`."""
    from afanet.inference.formats import suffix_of

    require_present_run(*(model for model in models if suffix_of(model) is None))


def require_present_data(source: Path) -> None:
    """Raise the `InputError` of recognising a data set if `source` does not exist."""
    if not source.exists():
        require_data(source)
