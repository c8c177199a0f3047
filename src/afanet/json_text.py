"""JSON texts: read within limits, and written with null where a number is not finite."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from afanet.errors import InputError
from afanet.files import MOST_BYTES, read_text

DEEPEST = 64  # levels of nesting in a text
HALF = re.compile(r"\\u[dD][89a-fA-F]")  # an escape of half a character, whose other half may be missing


def read_json(path: Path, most: int = MOST_BYTES) -> Any:
    """The value in a JSON file of at most `most` bytes; raises `InputError` for every other file."""
    try:
        text = read_text(path, most)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text, expected JSON") from None
    return parse_json(text, str(path))


def to_json(value: Any, **options: Any) -> str:
    """Nested values as JSON text, with null for numbers that are not finite; `options` are those of `json.dumps`.

    >>> to_json({"a": [1.5, math.nan, -math.inf]})
    '{"a": [1.5, null, null]}'
    """
    return json.dumps(strict(value), allow_nan=False, **options)


def strict(value: Any) -> Any:
    """Nested values as JSON can hold them, with None for numbers that are not finite.

    >>> strict({"a": (1.5, math.nan)})
    {'a': [1.5, None]}
    """
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def parse_json(text: str, source: str) -> Any:
    """The value of a JSON text.

    Raises `InputError`, which begins with `source`, for other text, for deep nesting, for numbers of thousands of
    digits, and for characters that no file could hold.

    `NaN` and `Infinity` are not JSON, but files of older versions hold them: they are read as null.

    >>> parse_json("[" * 10**5, "the text")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: the text is nested more than 64 deep, expected less
    """
    try:
        value = json.loads(text, parse_constant=lambda constant: None)
    except RecursionError:
        raise _too_deep(source) from None
    except json.JSONDecodeError as error:
        raise InputError(f"{source} is not JSON: {error}") from None
    except ValueError:  # Python limits the digits of a number
        raise InputError(f"{source} has a number of too many digits, expected fewer than 4000") from None
    inside = [value]
    for _ in range(DEEPEST):
        inside = [part for outer in inside for part in _parts(outer)]
        if not inside:
            return _whole_text(value, text, source)
    raise _too_deep(source)


def _whole_text(value: Any, text: str, source: str) -> Any:
    """`value`, read from `text`; raises `InputError` for text with half a character, which no file could hold."""
    if HALF.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InputError(f"{source} has half a character, such as \\ud800 alone, expected whole ones") from None
    return value


def _parts(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _too_deep(source: str) -> InputError:
    return InputError(f"{source} is nested more than {DEEPEST} deep, expected less")
