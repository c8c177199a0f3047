"""The record of a data set: everything that is known before it is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from afanet.data.sample import Data

UNKNOWN = "unknown: state it yourself"


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Args:
        open: the function that opens the data set, `open(root, size, *, ...)`: the path or None, the images' (H, W),
            and the data set's own options as keyword arguments with types, which are checked.
        marks: names of files or folders; a folder that has one of them is recognised as this data set.
        file: whether a path that is a file, rather than a folder, is recognised as this data set.
        licence: the terms under which images and labels may be used, in a line; the authors' own text overrides it.
        people: whether the images show faces of people; if so, a model card warns about them.
    """

    open: Callable[..., Data]
    marks: tuple[str, ...] = ()
    file: Callable[[Path], bool] = lambda path: False
    licence: str = UNKNOWN
    people: bool = False
