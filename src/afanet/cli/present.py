"""Checks of paths that a command makes before it imports torch, so that it refuses missing ones at once."""

from __future__ import annotations

from pathlib import Path

from afanet.paths import is_on_hub, require_data, require_run


def require_present_run(*runs: Path) -> None:
    """If one of the `runs` does not exist, raise the `InputError` that reading it would raise; the hub is not asked."""
    for run in runs:
        if not is_on_hub(run) and not run.exists():
            require_run(run)


def require_present_model(*models: Path) -> None:
    """Like `require_present_run`, but leaves a missing file to its own runtime, see `open_file`."""
    from afanet.inference.formats import suffix_of

    require_present_run(*(model for model in models if suffix_of(model) is None))


def require_present_data(source: Path) -> None:
    """If `source` does not exist, raise the `InputError` that recognising a data set would raise."""
    if not source.exists():
        require_data(source)
