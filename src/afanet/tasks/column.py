"""How a manifest's labels are declared, read, guessed and checked: every kind of task has a column."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field
from torch import Tensor

from afanet.declared import Declared
from afanet.errors import InputError
from afanet.label_files import read_array
from afanet.paths import LEAVING
from afanet.tasks.task import Task

Bools = NDArray[np.bool_]


def _name(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("which YAML reads as true or false: put the name in quotes")
    return str(value) if isinstance(value, int) else value


def distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("in which a name occurs twice")
    return names


Name = Annotated[str, BeforeValidator(_name), Field(min_length=1)]
Swap = dict[Name, Name]  # such as {left: right}
Names = Annotated[tuple[Name, ...], Field(min_length=2), AfterValidator(distinct)]


class Column(Declared):
    """The labels of one task in a manifest; its fields are the keys with which a recipe declares the task.

    `remark` is a comment for the declaration that `afanet data init` writes. `example` has keys and values for the
    fields without a default. Every kind has `mirror`; with `mirror: false`, no image of the data set is mirrored. A
    kind with names may have a field `swap`, a `Swap` of the names that exchange sides in a mirrored image.
    """

    remark: ClassVar[str] = ""
    example: ClassVar[Mapping[str, Any]] = {}
    mirror: bool = True

    @abstractmethod
    def task(self, name: str) -> Task:
        """The task `name` with labels of this column."""

    @property
    def remedy(self) -> str:
        """What to change in the declaration if the labels look wrong, as the end of a sentence; "" if nothing."""
        return ""

    @abstractmethod
    def encode(self, cells: pa.Array) -> tuple[Any, Bools]:
        """Cells (N,) as compact values, and which of them can be used; the values of empty cells are ignored."""

    @abstractmethod
    def complain(self, name: str, cell: str) -> str:
        """What is wrong with a cell that cannot be used."""


class ValueColumn(Column):
    """A column that holds values, one for an image."""

    @abstractmethod
    def target(self, value: Any) -> Tensor:
        """One compact value as the task's target."""

    def target_in(self, value: Any, size: tuple[int, int]) -> Tensor:
        """As `target`, which it calls by default; for kinds whose values depend on the `size` of the image, (H, W).

        Raises `InputError` for a value that an image of this size cannot have.
        """
        return self.target(value)


class FileColumn(Column):
    """A column that holds the paths of files, each with a value for every pixel of its image.

    `afanet data init` treats files with an ending in `endings`, in a folder with a name in `folders`, as labels of this
    kind.
    """

    folders: ClassVar[tuple[str, ...]] = ()
    endings: ClassVar[tuple[str, ...]] = (".png",)

    @classmethod
    def guess(cls, files: Sequence[Path]) -> tuple[dict[str, Any], str]:
        """The declaration of a task with labels in `files`, without its kind, and a remark on their contents."""
        return {}, ""

    @abstractmethod
    def read(self, path: Path) -> Tensor:
        """The target in a file, (H, W) or (C, H, W); raises `InputError` that names it where it cannot be used."""

    def files(self, path: Path) -> Sequence[Path]:
        """The files that a cell's `path` names; each must exist."""
        return (path,)

    def optional_files(self, path: Path) -> Sequence[Path]:
        """Further files that a cell's `path` names, of which some may be missing."""
        return ()

    def looked_at(self, task: Task, file: Path) -> Task:
        """The task, with facts that a file has besides the labels themselves, such as the colours of classes."""
        return task

    def encode(self, cells: pa.Array) -> tuple[pa.Array, Bools]:
        """The paths themselves, and which of them can be used."""
        return cells, usable_paths(cells)

    def complain(self, name: str, cell: str) -> str:
        """What is wrong with a cell that cannot be used."""
        return complain_of_path(name, cell)


def usable_paths(cells: pa.Array) -> Bools:
    """Which cells are paths that stay below the data's root; symbolic links are left to the owner of the data.

    >>> usable_paths(pa.array(["a/b.jpg", "/etc/x.jpg", "../b.jpg", "a/../b.jpg", "C:x.jpg", "..a.jpg"])).tolist()
    [True, False, False, False, False, True]
    """
    leaving = pc.match_substring_regex(cells, LEAVING)
    usable: Bools = pc.invert(leaving).to_numpy(zero_copy_only=False)
    return usable


def complain_of_path(name: str, cell: str) -> str:
    """What is wrong with a path that is not usable."""
    return f"{name} is '{cell}', expected a path inside the data folder, relative to it and without '..'"


def read_floats(path: Path, axes: int, meaning: str, scale: float | None = None) -> NDArray[np.float32]:
    """The finite floats in a `.npy` or `.npz` file; with a `scale`, numbers of any type, multiplied by `scale`.

    Raises `InputError` for any other file.
    """
    return finite_floats(path, read_array(path, meaning), axes, meaning, scale)


def finite_floats(
    path: Path, stored: NDArray[Any], axes: int, meaning: str, scale: float | None = None
) -> NDArray[np.float32]:
    """As `read_floats`, for numbers `stored` in a file of any format."""
    if (stored.dtype.kind != "f" and scale is None) or stored.ndim != axes or stored.shape[2:] not in ((), (3,)):
        raise InputError(f"{path} holds {stored.dtype} {stored.shape}, expected floats, a {meaning}")
    with np.errstate(over="ignore"):
        scaled = stored if scale is None else stored.astype(np.float64) * scale
        array: NDArray[np.float32] = scaled.astype(np.float32)
    if not np.isfinite(array).all():
        raise InputError(f"{path} has a value that is infinite or NaN, expected a {meaning}, 0 for none: mend it")
    return array
