"""What a mirror does to labels: classes that exchange their sides, and tasks whose images may not be mirrored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from afanet.errors import InputError, unknown
from afanet.tasks.meaning import MOST, is_whole

Pairs = tuple[tuple[int, int], ...]


def read_swap(task: str, names: Sequence[str], swap: Mapping[str, str]) -> Pairs:
    """The numbers of the names that a mirror exchanges, from a declaration such as `{left: right}`.

    A pair may be given in both directions. Raises `InputError` for an unknown name, and for one in two pairs.

    >>> read_swap("eyes", ["left", "both", "right"], {"left": "right"})
    ((0, 2),)
    """
    for name in [name for pair in swap.items() for name in pair]:
        if name not in names:
            raise unknown(f"class in swap of task '{task}'", name, names)
    numbered = [(names.index(one), names.index(other)) for one, other in swap.items()]
    pairs = [pair for pair in numbered if pair[::-1] not in numbered or pair[0] <= pair[1]]
    listed = [number for pair in pairs for number in pair]
    for number in listed:
        if listed.count(number) > 1:
            raise InputError(f"swap of task '{task}' names '{names[number]}' twice, expected each class in one pair")
    return tuple(pairs)


def swapped_order(count: int, swap: Sequence[Sequence[int]]) -> list[int]:
    """The numbers of `count` names or channels after each pair has changed places.

    >>> swapped_order(4, [(0, 2)])
    [2, 1, 0, 3]
    """
    order = list(range(count))
    for one, other in swap:
        order[one], order[other] = other, one
    return order


def sides_fault(meaning: Mapping[str, Any]) -> str | None:
    """What is invalid in `mirror` and `swap` of a task's meaning, in words; None if nothing.

    `mirror` is false where labels depend on the side; `swap` lists pairs of channels that a mirror exchanges.

    >>> sides_fault({"classes": ["left", "right"], "swap": [[0, 0]]})
    "'swap' is [[0, 0]], expected pairs of different numbers of its 2 classes, each number once"
    """
    if not isinstance(meaning.get("mirror", True), bool):
        return f"'mirror' is {meaning['mirror']!r:.60}, expected true or false"
    swap = meaning.get("swap", [])
    pairs = isinstance(swap, list) and len(swap) <= MOST and all(isinstance(x, list) and len(x) == 2 for x in swap)
    numbers = [number for pair in swap for number in pair] if pairs else []
    names = next((meaning[key] for key in ("classes", "labels", "names") if key in meaning), None)
    count = len(names) if isinstance(names, list) else 0
    whole = pairs and all(is_whole(number, 0, count - 1) for number in numbers)
    if not whole or len(set(numbers)) < len(numbers):
        return f"'swap' is {swap!r:.60}, expected pairs of different numbers of its {count} classes, each number once"
    return None
