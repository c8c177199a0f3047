"""How the values in files of masks are declared: ids by number or by name, colours, void."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from afanet.label_files import unpacked
from afanet.tasks.column import Name
from afanet.tasks.segmentation.values import as_number, is_number, keys_of, red_green_blue, several


def _by_number(ids: Any) -> Any:
    """`{0: background, 255: object}` from this form, or from `{background: 0, object: [255]}`."""
    if not isinstance(ids, Mapping):
        return ids
    if all(map(is_number, ids)):
        return _of_one_class(ids.items())
    if any(map(is_number, ids)):
        raise ValueError("whose keys are numbers and names: give `id: name` or `name: id` for all")
    pairs: list[tuple[Any, Any]] = []
    for name, given in ids.items():
        numbers = given if isinstance(given, list | tuple) else [given]
        if not numbers or not all(isinstance(number, int | str) for number in numbers):
            raise ValueError(f"which gives '{name}' no id: expected a number, or a list of numbers")
        pairs += [(as_number(number), name) for number in numbers]
    return _of_one_class(pairs)


def _of_one_class(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """The name of each id; raises `ValueError` for an id with two names, also if one id is text: 1 and "1"."""
    named: dict[Any, Any] = {}
    names: dict[str, Any] = {}
    for number, name in pairs:
        if names.setdefault(str(number), name) != name:
            raise ValueError(f"in which the id {number} has two classes, '{names[str(number)]}' and '{name}'")
        named[number] = name
    return named


Byte = Annotated[int, Field(ge=0, le=255)]
Colour = Annotated[tuple[Byte, Byte, Byte], BeforeValidator(red_green_blue)]
Colours = Annotated[tuple[Colour, ...], BeforeValidator(several), Field(min_length=1)]
Id = Annotated[int, Field(ge=-(2**31), le=2**32 - 1)]
Ids = Annotated[dict[Annotated[Id, BeforeValidator(as_number)], Name], BeforeValidator(_by_number), Field(min_length=2)]


def require_apart(coded: Mapping[str, Sequence[Sequence[int]]]) -> None:
    """Raise `ValueError` for a colour that two classes share."""
    owners: dict[int, str] = {}
    for name, colours in coded.items():
        for key in keys_of(colours):
            if owners.setdefault(key, name) != name:
                raise ValueError(f"in which the colour {unpacked(key)} has two classes, '{owners[key]}' and '{name}'")
