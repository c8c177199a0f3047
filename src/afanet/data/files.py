"""Checks of a data path and the files below it, each with a clear sentence for input that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from afanet.errors import InputError
from afanet.paths import require_folder


def require_path(root: Path | None, data_set: str, expected: str) -> Path:
    """`root` itself, if it is a file or a folder with something in it.

    >>> require_path(None, "nyuv2", "a folder with rgb/")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: data set 'nyuv2' reads files and got no path: give it with --data, or as data.root in ...
    """
    if root is None:
        raise InputError(
            f"data set '{data_set}' reads files and got no path: give it with --data, or as data.root in a recipe "
            f"({expected})"
        )
    if not root.is_file():
        require_folder(root, expected)
    return root


def first_names(folder: Path) -> str:
    """The first few names in a folder, for a message about its content."""
    names = sorted(path.name for path in folder.iterdir())
    return (", ".join(names[:4]) or "nothing") + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def other_layout(root: Path, data_set: str, expected: str) -> InputError:
    """An `InputError` for a path that does not hold `data_set`; it lists the first few names there."""
    content = first_names(root) if root.is_dir() else "no folder but a file"
    return InputError(f"data path '{root}' does not have the layout of '{data_set}', found {content}: give {expected}")


def format_shape(shape: Sequence[int]) -> str:
    """A shape as text for a message.

    >>> format_shape((480, 640))
    '480x640'
    """
    return "x".join(map(str, shape))


def require_shape(source: object, shape: Sequence[int], photo: object, expected: Sequence[int]) -> None:
    """Raises `InputError` unless the map that was read from `source` has the shape that goes with its photo."""
    if tuple(shape) != tuple(expected):
        size, photo_size = format_shape(shape), format_shape(expected)
        raise InputError(f"{source} is {size} pixels, expected {photo_size} as its photo {photo}: resize it")
