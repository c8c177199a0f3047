"""Arrays of labels in NumPy files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.limits import MOST_PIXELS

MOST_BYTES = 24 * MOST_PIXELS  # of an array in a `.npz`: three numbers of 8 bytes per pixel
NAMED = 12  # most arrays that a message names


def read_array(path: Path, meaning: str, kinds: str = "uif") -> NDArray[Any]:
    """The numbers in a `.npy` file, or in a `.npz` file that holds a single array.

    `kinds` are NumPy's letters for the types that are accepted. Raises `InputError` for a file that is missing,
    incomplete, empty or holds something else.
    """
    try:
        if path.suffix.lower() == ".npz":
            values: Any = _read_archive(require_regular(path), meaning)
        else:
            values = np.load(require_regular(path), allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: every frame needs its {meaning}") from None
    except InputError:
        raise
    except Exception as error:  # NumPy raises many kinds of error for broken files
        raise InputError(f"{path} cannot be read as an array ({error!s:.80}): copy this {meaning} again") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in kinds or not values.size:
        raise InputError(f"{path} holds no plain array of numbers, expected a {meaning}: copy it again")
    return values


def _read_archive(path: Path, meaning: str) -> NDArray[Any]:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        if len(members) != 1:
            names = [member.filename.removesuffix(".npy") for member in members]
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            listed = f" ({', '.join(names[:NAMED])}{more})" if names else ""
            raise InputError(f"{path} holds {len(names)} arrays{listed}, expected one, a {meaning}: save only that one")
        if members[0].file_size > MOST_BYTES:
            raise InputError(
                f"{path} holds an array of {members[0].file_size:,} bytes, expected at most {MOST_BYTES:,}: resize it"
            )
        with archive.open(members[0]) as stored:
            array: NDArray[Any] = np.lib.format.read_array(stored, allow_pickle=False)
    return array
