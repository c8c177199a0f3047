"""Lists of the samples in a split, one name per line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from afanet.errors import InputError
from afanet.files import read_text


def read_lists(train: Path, test: Path, images: str) -> tuple[list[str], list[str]]:
    """The names in the lists of two splits, which are names of files in the folder `images`.

    Raises `InputError` for a list that is missing, empty, or has a name twice, and for a name that is in both lists.
    """
    splits = _read(train, images), _read(test, images)
    if both := set(splits[0]) & set(splits[1]):
        raise InputError(f"{train.parent} has frame {min(both)} in {train.name} and in {test.name}: keep it in one")
    return splits


def _read(path: Path, images: str) -> list[str]:
    try:
        names = read_text(path).split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): it must have one frame's name per line") from None
    if not names or len(set(names)) < len(names):
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        fault = f"frame {twice} twice" if twice else "no frame"
        raise InputError(f"{path} names {fault}, expected each frame of the split once, one per line")
    if outside := next((name for name in names if Path(name).name != name or "\\" in name), None):
        raise InputError(f"{path} names frame {outside}, expected names of files in {images}, no folders: correct it")
    return names
