"""Plain values changed in one place, by a seed."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

from afanet.errors import InputError


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 3, 0.5, -0.5, 2**31, 2**63, 10**30, 10**400, 1e308, 5e-324),
    *(float("nan"), float("inf"), -float("inf"), "", "x", "0", "1.5", "a b", "../x", "x" * 5000),
    *("\0", "\x1b[2J", "\ud800", "{}", "2024-99-99", [], {}, [None], [[]], [0], ["x"], {"x": 1}, {"": None}),
    *({"kind": "depth"}, nested(5), nested(70), [0] * 2000, ["a"] * 3000),
]
BYTES = [b"\n", b",", b'"', b"\0", b"nan", b"\xff", b"9" * 400, b"-", b"1e999", b"["]
NAMES = ["x", "a b", "", "kind", "\0", "../up", "tasks"]


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to every part of nested values."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, inner in items:
        yield from paths(inner, (*at, key))


def mutate(value: Any, seed: int, odd: list[Any] = ODD) -> Any:
    """A copy with one part replaced, dropped, renamed, wrapped, doubled, cut or swapped with another."""
    rng, value = random.Random(seed), copy.deepcopy(value)
    every = list(paths(value))
    depth = rng.randint(0, max(map(len, every)))
    at = rng.choice([path for path in every if len(path) == depth])
    if not at:
        return copy.deepcopy(rng.choice(odd))
    *above, key = at
    parent = value
    for step in above:
        parent = parent[step]
    if isinstance(parent, tuple):
        return value
    match rng.choice(["replace"] * 5 + ["drop", "rename", "wrap", "double", "cut", "swap"]):
        case "drop":
            del parent[key]
        case "rename" if isinstance(parent, dict):
            parent[rng.choice(NAMES)] = parent.pop(key)
        case "wrap":
            parent[key] = [parent[key]]
        case "double":
            parent[key] = [parent[key], parent[key]]
        case "cut" if isinstance(parent[key], str | list):
            parent[key] = parent[key][: len(parent[key]) // 2]
        case "swap":
            parent[key] = parent[rng.choice(list(parent))] if isinstance(parent, dict) else rng.choice(parent)
        case _:
            parent[key] = copy.deepcopy(rng.choice(odd))
    return value


def scrambled(text: bytes, seed: int) -> bytes:
    """Bytes with a few of them cut off, removed, replaced, or others put between."""
    rng, changed = random.Random(seed), bytearray(text)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(changed) + 1)
        match rng.choice(["cut", "insert", "remove", "replace"]):
            case "cut":
                del changed[at:]
            case "insert":
                changed[at:at] = rng.choice(BYTES)
            case "remove":
                del changed[at : at + rng.randint(1, 30)]
            case _:
                changed[at : at + 1] = bytes([rng.randrange(256)])
    return bytes(changed)


def refusal(call: Callable[..., object], *arguments: Any) -> str | None:
    """The one sentence with which a call refuses its input; None where it succeeds. Any other error is a defect."""
    try:
        call(*arguments)
    except InputError as error:
        message = str(error)
        message.encode()  # no half of a character
        if "\n" in message or not 0 < len(message) < 1000:
            raise AssertionError(message) from error
        return message
    return None
