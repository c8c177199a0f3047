"""Recognises the data set at a path from its content."""

from __future__ import annotations

from pathlib import Path

from afanet.data import DATA_SETS
from afanet.data.files import first_names
from afanet.errors import InputError
from afanet.paths import require_data


def recognise(path: Path) -> str:
    """The name of the data set at `path`.

    Raises `InputError` if the path does not exist or does not hold a known data set.
    """
    if path.is_file():
        for name, data_set in DATA_SETS.items():
            if data_set.file(path):
                return name
    require_data(path)
    for name, data_set in DATA_SETS.items():
        if any((path / mark).exists() for mark in data_set.marks):
            return name
    marked = [name for name, data_set in DATA_SETS.items() if data_set.marks]
    raise InputError(
        f"{path} does not have the layout of a known data set ({', '.join(marked)}), found {first_names(path)}: give a "
        "recipe, or make one with `afanet data init`"
    )
