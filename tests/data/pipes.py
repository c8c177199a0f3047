"""Pipes in place of the files of a data set."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from afanet.data import open_data
from afanet.data.cache import fingerprint
from afanet.data.checks.survey import survey
from afanet.errors import InputError

from ..bounds import bounded


def everything(name: str, root: Path, **options: Any) -> str:
    """All that is said when a data set is opened, read and told from others by its files."""
    try:
        data = open_data(name, root, (8, 8), **options)
    except InputError as error:
        return str(error)
    errors = survey(data, workers=0).errors
    try:
        fingerprint(data, Path("none"))
    except InputError as error:
        return " ".join([*errors, str(error)])
    return ""


def pipes_refused(root: Path, said: Callable[[], str]) -> int:
    """Put a pipe in place of one file of each kind below `root`, one after the other: of how many that is said.

    Each time `said()`, what is said when everything is read, must come in time and name the pipe, if it is needed.
    """
    refused = 0
    for file in {(file.parent, file.suffix): file for file in sorted(root.rglob("*")) if file.is_file()}.values():
        aside = file.rename(root.with_name("aside"))
        os.mkfifo(file)
        with bounded(5):
            found = said()
        assert not found or str(file) in found
        refused += bool(found)
        aside.replace(file)
    return refused
