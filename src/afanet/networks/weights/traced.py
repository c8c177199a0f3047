"""Tensors that remember what they were made of, so that a report can say which tensors of a file were used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves


class Traced(Tensor):
    """A tensor that remembers from which tensors of a file it was computed, whatever code computed it.

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
        """The result of any of torch's functions, made of what its arguments are made of."""
        result = super().__torch_function__(func, types, args, kwargs or {})  # type: ignore[no-untyped-call]
        used = [part.sources for part in tree_leaves((args, kwargs)) if isinstance(part, Traced)]
        for part in tree_leaves(result):
            if isinstance(part, Traced):
                part.sources = frozenset().union(*used)
        return result


def traced(state: Mapping[str, Tensor]) -> dict[str, Traced]:
    """The same tensors, each of which remembers its own name."""
    tensors = {name: tensor.as_subclass(Traced) for name, tensor in state.items()}
    for name, tensor in tensors.items():
        tensor.sources = frozenset({name})
    return tensors
