"""Applies a function to many items in several processes; results are in the order of the items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset

from afanet.errors import InputError

Result = TypeVar("Result")


def in_order(function: Callable[[Any], Result], items: Sequence[Any], workers: int) -> Iterator[Result | InputError]:
    """`function(item)` for every item, or the `InputError` that it raised, in `workers` processes; 0 for this one.

    >>> [str(result) for result in in_order(str.upper, ["a", "b"], workers=0)]
    ['A', 'B']
    """
    yield from DataLoader(_Mapped(function, items), batch_size=None, num_workers=workers, collate_fn=_as_it_is)


class _Mapped(Dataset[Any]):
    def __init__(self, function: Callable[[Any], Any], items: Sequence[Any]):
        self.function = function
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        try:
            return self.function(self.items[index])
        except InputError as error:  # if raised, it would arrive wrapped in the worker's traceback
            return error


def _as_it_is(value: Any) -> Any:
    return value
