"""Reads the outputs of layers and networks: a tensor, or tensors and sizes in lists, tuples, dicts and dataclasses."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

from torch import Tensor


def pick(value: Any, key: Any) -> Any:
    """The tensor under a key of a layer's output; the output itself under None."""
    return value if key is None else value[key]


def keys_of(value: Any) -> list[Any]:
    """The keys or indices of the items in a layer's output; none if it is not a list, tuple or dict."""
    if isinstance(value, Mapping):
        return list(value)
    return list(range(len(value))) if isinstance(value, list | tuple) else []


def sizes_in(values: Iterable[Any]) -> list[tuple[int, int]]:
    """Every (H, W) among values: pairs of whole numbers, and both pairs of (H, W, H, W)."""
    sizes: list[tuple[int, int]] = []
    for value in values:
        if isinstance(value, list | tuple) and len(value) in (2, 4) and all(type(n) is int for n in value):
            sizes += [(value[i], value[i + 1]) for i in range(0, len(value), 2)]
    return sizes


def replaced(output: Any, fused: Mapping[Any, Tensor]) -> Any:
    """A layer's output with fused features in place of its own; its other items pass unchanged."""
    if None in fused:
        return fused[None]
    if isinstance(output, Mapping):
        whole: Any = copy.copy(output)
        for key, features in fused.items():
            whole[key] = features
        return whole
    items = [fused.get(key, output[key]) for key in keys_of(output)]
    return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)


def parts_of(output: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in an output, with its path: tensors, other values, and the types of the containers."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(output, Mapping):
        items = output.items()
    elif isinstance(output, list | tuple):
        items = enumerate(output)
    elif is_dataclass(output):
        items = vars(output).items()
    else:
        yield path, output
        return
    yield path, type(output)
    for key, item in items:
        yield from parts_of(item, f"{path}[{key!r}]")


def leaves_of(output: Any) -> set[int]:
    """The identities of all leaf tensors (which no operation made) on which an output depends."""
    tensors = [part for _, part in parts_of(output) if isinstance(part, Tensor)]
    waiting = [tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None]
    seen, leaves = set(waiting), set()
    while waiting:
        node = waiting.pop()
        if hasattr(node, "variable"):
            leaves.add(id(node.variable))
        new = {following for following, _ in node.next_functions if following is not None} - seen
        seen |= new
        waiting += new
    return leaves
