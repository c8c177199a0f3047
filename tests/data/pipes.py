"""Pipes instead of the files of a data set."""

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
    """All errors when a data set is opened, read and fingerprinted."""
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


def pipes_refused(root: Path, report: Callable[[], str]) -> int:
    """Replace a file of each kind below `root` with a pipe, one at a time, and count the pipes that are refused.

    `report()` gives the errors of reading everything. It must return in time and, unless empty, name the pipe.
    """
    refused = 0
    for file in {(file.parent, file.suffix): file for file in sorted(root.rglob("*")) if file.is_file()}.values():
        aside = file.rename(root.with_name("aside"))
        os.mkfifo(file)
        with bounded(5):
            message = report()
        assert not message or str(file) in message
        refused += bool(message)
        aside.replace(file)
    return refused
