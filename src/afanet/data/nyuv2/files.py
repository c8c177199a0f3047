"""Folders of files with a name for each frame, and the arrays in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError


def listed(folder: Path, suffixes: tuple[str, ...], expected: str) -> dict[str, Path]:
    """The files of a folder by name without suffix, where that is one of `suffixes`; no such folder is an error."""
    if not folder.is_dir():
        raise InputError(f"{folder} is missing, expected {expected}: copy it there")
    return {path.stem: path for path in folder.iterdir() if path.suffix in suffixes}


def numbered(folder: Path, suffix: str, expected: str) -> dict[str, Path]:
    """The files of a folder whose name is a number, by that."""
    return {stem: path for stem, path in listed(folder, (suffix,), expected).items() if stem.isdecimal()}


def check_complete(folders: Mapping[Path, Mapping[str, Path]], frames: Iterable[str], source: str) -> None:
    """Raise `InputError` for the first folder that lacks one of `frames`, which `source` has."""
    frames = set(frames)
    for folder, files in folders.items():
        if absent := frames - set(files):
            raise InputError(
                f"{folder} has {len(files)} frames and lacks {len(absent)} that {source}, "
                f"the first {min(absent)}: copy the folder again"
            )


def read_array(path: Path, meaning: str) -> NDArray[Any]:
    """The numbers in a `.npy` file; one that is missing, not whole or of another kind raises `InputError`."""
    try:
        values: NDArray[Any] = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: every frame needs its {meaning}") from None
    except Exception as error:  # NumPy raises as many kinds as there are ways for a file to be broken
        raise InputError(f"{path} cannot be read as an array ({error}): copy this {meaning} again") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "uif" or not values.size:
        raise InputError(f"{path} holds no plain array of numbers, expected a {meaning}: copy it again")
    return values
