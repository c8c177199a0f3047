"""Checks what a recipe's options declare against a model."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from afanet.errors import InputError, shown, unknown


class Declared(BaseModel):
    """Something declared in a recipe: no key is unknown, no number is infinite.

    A field with an alias reads the key of that name a second time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=Declared)


def declare(model: type[Model], given: object, what: str) -> Model:
    """`given` as a `model`; raises `InputError`, which names the wrong key of `what`, such as "task 'age'".

    >>> class Range(Declared):
    ...     low: float
    >>> declare(Range, {"lo": 3}, "range 'age'")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: unknown key of range 'age' 'lo', did you mean 'low'? (known: low)
    """
    keys = [name for name, field in model.model_fields.items() if field.validation_alias is None]
    if not isinstance(given, dict):
        raise InputError(f"{what} is {shown(given)}, expected its keys: {', '.join(keys)}")
    for key in given:
        if key not in keys:
            raise unknown(f"key of {what}", str(key), keys)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise InputError(f"{what} lacks '{key}', expected its keys: {', '.join(keys)}") from None
        problem = first["msg"].removeprefix("Value error, ").replace("Input should", "which should", 1)
        raise InputError(f"'{key}' of {what} is {shown(first['input'])}, {problem}") from None
