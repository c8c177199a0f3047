"""A result as a label, in the form that the column of its kind reads back. Needs only NumPy and Pillow."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError

NAMED = 12  # names in a sentence

Bools = NDArray[np.bool_]
MACHINE = "machine_made"  # the column that lists the tasks of a row whose labels come from a network
CONFIDENCE = "_confidence"  # how the name of a column with the confidence of such labels ends


@dataclass(frozen=True)
class LabelFile:
    """A label that is a file: its content, and the suffix of its name."""

    suffix: str
    content: bytes


class AsLabel:
    """A result as a label of its kind; the defaults here are for kinds without such labels."""

    task: str
    compared: ClassVar[bool] = False  # whether `confidence` needs the result of the mirror image

    @property
    def declaration(self) -> dict[str, Any]:
        """The keys beside `kind` with which a recipe declares a column of such labels."""
        return {}

    def mirrored(self) -> Self:
        """This result of a mirror image, turned back into a result of the photo."""
        return self

    def confidence(self, mirror: Self | None = None) -> float | NDArray[np.float32] | None:
        """How sure the result is, 0 to 1; None for a kind that does not say.

        A dense result gives a number for each pixel (H, W), NaN where the network did not see the photo; a result of
        several parts gives a number for each part (N,). A kind that is `compared` needs `mirror`: the result of the
        mirror image, turned back by `mirrored`.
        """
        return None

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> str | LabelFile:
        """The result as a label that the column of its kind reads back: the text of a cell, or a file.

        Only the pixels (H, W) or parts (N,) that are `known` are labelled; by default all that the network saw.
        `declared` has the keys of the column, if they differ from `declaration`. Raises `InputError` for a result that
        cannot be a label, and for a kind without labels.
        """
        raise InputError(
            f"task '{self.task}' cannot be written as labels: {type(self).__name__} has no method 'as_label'; leave it "
            "out with --tasks"
        )

    def misfit(self, cell: str, file: Path, declared: Mapping[str, Any] = {}) -> str | None:
        """Why an existing label cannot be one of this task, as the end of a sentence; None if it can.

        `cell` is the text of the label; `file` is the file that it names, if labels are files.
        """
        return None


def npy(values: NDArray[Any]) -> bytes:
    """An array as the bytes of a `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def listed(names: Iterable[str]) -> str:
    """The first dozen of some names, and how many more there are.

    >>> listed(str(number) for number in range(14))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more'
    """
    every = list(names)
    return ", ".join(every[:NAMED]) + (f" and {len(every) - NAMED} more" if len(every) > NAMED else "")


def sides_declared(meaning: Mapping[str, Any]) -> dict[str, Any]:
    """The `mirror` and `swap` of a task's meaning, in the form in which a recipe declares them.

    >>> sides_declared({"classes": ["left", "right"], "swap": [[0, 1]], "mirror": True})
    {'swap': {'left': 'right'}}
    """
    names = meaning.get("classes") or meaning.get("labels") or meaning.get("names") or []
    swap = {names[one]: names[other] for one, other in meaning.get("swap", [])}
    return ({} if meaning.get("mirror", True) else {"mirror": False}) | ({"swap": swap} if swap else {})
