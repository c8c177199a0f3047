"""Data sets: one file each, and one row in the table here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError, validate_call

from afanet.data.sample import Batch, Collate, Data, Reader, Sample, Split
from afanet.data.sets.adience import open_adience
from afanet.data.sets.celeba import open_celeba
from afanet.data.sets.cityscapes import open_cityscapes
from afanet.data.sets.digits import open_digits
from afanet.data.sets.manifest import open_manifest
from afanet.data.sets.mixed import open_mixed
from afanet.data.sets.nyuv2 import open_nyuv2
from afanet.data.sets.pets import open_pets
from afanet.data.sets.rooms import open_rooms
from afanet.errors import InputError, shown, unknown

__all__ = ["DATA_SETS", "Batch", "Collate", "Data", "Reader", "Sample", "Split", "open_data"]

DATA_SETS: dict[str, Callable[..., Data]] = {
    "rooms": open_rooms,
    "nyuv2": open_nyuv2,
    "adience": open_adience,
    "cityscapes": open_cityscapes,
    "celeba": open_celeba,
    "pets": open_pets,
    "digits": open_digits,
    "manifest": open_manifest,
    "mixed": open_mixed,
}


def open_data(name: str, root: str | Path | None = None, size: tuple[int, int] | None = None, **options: Any) -> Data:
    """Open the data set `name` at the path `root` for images of `size` = (H, W); None is the data set's own default.

    The options are the keyword arguments of the function in `DATA_SETS`, where they are described. A name, option,
    value or path that cannot be used raises `InputError`.

    >>> data = open_data("rooms", size=(24, 32), train_scenes=8, test_scenes=4)
    >>> len(data.train), len(data.test), list(data.tasks)
    (8, 4, ['segmentation', 'depth'])
    >>> open_data("rooms", scenes=8)
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: unknown option of data set 'rooms' 'scenes', did you mean 'test_scenes'? ...
    """
    if name not in DATA_SETS:
        raise unknown("data set", name, DATA_SETS)
    known = [key for key, x in inspect.signature(DATA_SETS[name]).parameters.items() if x.kind is x.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise unknown(f"option of data set '{name}'", option, known)
    given = {"root": root, "size": size} if size is not None else {"root": root}
    try:
        return validate_call(DATA_SETS[name])(**given, **options)
    except ValidationError as error:
        first = error.errors()[0]
        problem = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(f"'{first['loc'][0]}' of data set '{name}' is {shown(first['input'])}: {problem}") from None
