"""Data sets: each has a file or folder in `sets` and a row in the table of this file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError, validate_call

from afanet.data.data_set import DataSet
from afanet.data.sample import Batch, Collate, Data, Reader, Sample, Split
from afanet.data.steps import with_sides
from afanet.errors import InputError, shown, unknown
from afanet.registry import Registry

__all__ = [
    "DATA_SETS",
    "Batch",
    "Collate",
    "Data",
    "DataSet",
    "Reader",
    "Sample",
    "Split",
    "open_data",
    "register_data",
]


def _read(name: str, value: object) -> DataSet:
    if isinstance(value, DataSet):
        return value
    if not callable(value):
        raise InputError(
            f"data set '{name}' is {type(value).__name__}, expected an afanet.data.DataSet, or a function that opens it"
        )
    return DataSet(open=value)


SETS = ("rooms", "nyuv2", "adience", "cityscapes", "celeba", "pets", "pascal", "digits", "manifest", "mixed")
DATA_SETS: Registry[DataSet] = Registry(
    "data", "data set", {name: f"afanet.data.sets.{name}:DATA_SET" for name in SETS}, read=_read
)


def register_data(name: str, data_set: DataSet | Callable[..., Data]) -> None:
    """Register a data set under a name, which recipes give as `data.name`.

    Raises `InputError` if the name belongs to a data set of the package or is not a word, or if `data_set` is not a
    data set.

    >>> register_data("rooms", DATA_SETS["rooms"])
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: 'rooms' cannot name a data set, since it is taken: choose another name
    """
    DATA_SETS.register(name, data_set)


def options_of(name: str) -> list[str]:
    """The names of a data set's options.

    >>> options_of("digits")
    ['train_pairs', 'test_pairs', 'validation_pairs', 'seed']
    """
    parameters = inspect.signature(DATA_SETS[name].open).parameters
    return [key for key, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]


def open_data(name: str, root: str | Path | None = None, size: tuple[int, int] | None = None, **options: Any) -> Data:
    """Open the data set `name` at the path `root` for images of `size` = (H, W); None means its default.

    The options are the keyword arguments of the function in `DATA_SETS`, whose docstring describes them. Raises
    `InputError` for a name, option, value or path that cannot be used.

    >>> data = open_data("rooms", size=(24, 32), train_scenes=8, test_scenes=4)
    >>> len(data.train), len(data.test), list(data.tasks)
    (8, 4, ['segmentation', 'depth'])
    >>> open_data("rooms", scenes=8)
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: unknown option of data set 'rooms' 'scenes', did you mean 'test_scenes'? ...
    """
    open_function, known = DATA_SETS[name].open, options_of(name)
    for option in options:
        if option not in known:
            raise unknown(f"option of data set '{name}'", option, known)
    arguments = {"root": root, "size": size} if size is not None else {"root": root}
    try:
        return with_sides(validate_call(open_function)(**arguments, **options))
    except ValidationError as error:
        first = error.errors()[0]
        problem = first["msg"].removeprefix("Value error, ")
        problem = problem[0].lower() + problem[1:]
        raise InputError(f"'{first['loc'][0]}' of data set '{name}' is {shown(first['input'])}: {problem}") from None
