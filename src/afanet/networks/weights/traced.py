"""Tensors that remember from what they were made, so that a report can say which tensors of a file were used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves


class Traced(Tensor):
    """A tensor that remembers from which tensors of a file it was computed, by whatever code.

    >>> import torch
    >>> a, b = traced({"a": torch.ones(2), "b": torch.zeros(3)}).values()
    >>> sorted(torch.cat([a, 2 * b])[1:].sources)
    ['a', 'b']
    """

    sources: frozenset[str] = frozenset()

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """The result of a torch function; it remembers the sources of all its arguments."""
        result = super().__torch_function__(func, types, args, kwargs or {})  # type: ignore[no-untyped-call]
        used = [part.sources for part in tree_leaves((args, kwargs)) if isinstance(part, Traced)]
        for part in tree_leaves(result):
            if isinstance(part, Traced):
                part.sources = frozenset().union(*used)
        return result


def traced(state: Mapping[str, Tensor]) -> dict[str, Traced]:
    """The same tensors, each with its own name as its source."""
    tensors = {name: tensor.as_subclass(Traced) for name, tensor in state.items()}
    for name, tensor in tensors.items():
        tensor.sources = frozenset({name})
    return tensors
