"""Recognises layouts by evidence, or by attributes of the network; it never guesses from a shape."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from afanet.errors import InputError
from afanet.networks.contents import keys_of, pick, sizes_in
from afanet.networks.layout import Layout
from afanet.networks.trace import UntraceableError


class UnknownLayoutError(UntraceableError):
    """Nothing says which dimensions of a layer's output are channels and pixels, so branches cannot meet there."""


class Observed(Protocol):
    """What is known about a branch: its layers' outputs for the example, and for images `scale` times as large."""

    task: str
    branch: nn.Module

    def output(self, layer: str, scale: int = 1) -> Any: ...

    def position(self, layer: str) -> int: ...

    def shapes_before(self, layer: str, scale: int = 1) -> list[tuple[str, Sequence[int]]]: ...

    def sizes_given(self, layer: str, scale: int = 1) -> list[tuple[int, int]]: ...

    def sizes_with(self, value: Tensor) -> list[tuple[int, int]]: ...

    def is_map(self, value: Tensor) -> bool: ...

    def layout_by_places(self, layer: str, key: Any) -> Layout | None: ...


def layouts_of(
    seen: Observed, layer: str, declared: Layout | Mapping[Any, Layout] | None, used: Collection[Any] = ()
) -> dict[Any, Layout]:
    """The layout of every tensor in a layer's output: under None for a plain tensor, else under its index or key.

    If the output has several tensors, those with keys in `used` count, or all if there are none. A declared layout
    wins; if layouts are declared by key, only these tensors count.

    Four axes are recognised by which of them change for images of twice the size. If the network takes no other size,
    attributes of the network decide (timm's `output_fmt`), or else a convolution or 2D norm that makes or takes the
    tensor, or a pooling layer that takes it. Tokens are recognised by timm's `num_prefix_tokens` and
    `patch_embed.grid_size`, by an (H, W) or a map in the same output, by the last map before them with as many pixels
    as there are patches, or by an (H, W) that is given to the layer, or to another layer together with the tokens. All
    other cases, and whether patches lie in rows, are decided by following values from the last map before the layer.

    Raises:
        UnknownLayoutError: if the layout is neither recognised nor declared; the message names the layer. A record of
            all layers may know more than a graph, in which most layers are one call.
    """
    value = seen.output(layer)
    if isinstance(declared, Mapping):
        return {
            key: _declared(seen, layer, key, declared[key]) or declared[key] for key in _among(seen, layer, declared)
        }
    if isinstance(value, Tensor):
        return {None: _declared(seen, layer, None, declared) or _recognise(seen, layer, None)}
    keys = keys_of(value)
    tensors = [key for key in keys if isinstance(value[key], Tensor)]
    if not tensors or not all(key in tensors or value[key] is None or sizes_in([value[key]]) for key in keys):
        raise InputError(
            f"layer '{layer}' of branch '{seen.task}' outputs {type(value).__name__}: branches can meet at a "
            "tensor, or at a list, tuple or dict of tensors; name a layer inside it"
        )
    tensors = [key for key in tensors if key in used] or tensors
    return {key: _declared(seen, layer, key, declared) or _recognise(seen, layer, key) for key in tensors}


def _among(seen: Observed, layer: str, declared: Mapping[Any, Layout]) -> Mapping[Any, Layout]:
    """The layouts declared by key; raises `InputError` for a key under which the layer outputs no tensor."""
    value = seen.output(layer)
    known = [key for key in keys_of(value) or [None] if isinstance(pick(value, key), Tensor)]
    for key in declared:
        if key not in known:
            raise InputError(
                f"layer '{layer}' of branch '{seen.task}' has no tensor under {key!r}, which its point declares: "
                f"expected one of {', '.join(map(repr, known))}"
            )
    return declared


def _declared(seen: Observed, layer: str, key: Any, declared: Layout | None) -> Layout | None:
    """A declared layout; for tokens, with the layer that has their grid for every image, if evidence names one."""
    if declared is None or declared.grid is None or declared.grid_of is not None or declared.windows is not None:
        return declared
    shape = pick(seen.output(layer), key).shape
    evident = _tokens(seen, layer, key, shape) if len(shape) == 3 else None
    agrees = evident is not None and (evident.prefix, evident.grid) == (declared.prefix, declared.grid)
    return evident if agrees else declared


def _recognise(seen: Observed, layer: str, key: Any) -> Layout:
    shape = pick(seen.output(layer), key).shape
    layout = None
    if len(shape) == 4:
        layout = _by_evidence(seen, layer, key, shape) or _by_declaration_of_network(seen, layer)
        if layout is None and seen.is_map(pick(seen.output(layer), key)):
            layout = Layout("BCHW")
    elif len(shape) == 3:
        layout = _tokens(seen, layer, key, shape)
    if layout is None or layout.order == "BNC":
        layout = _by_places(seen, layer, key, layout)
    if layout is None:
        item = "" if key is None else f"[{key!r}]"
        raise UnknownLayoutError(
            f"layer '{layer}'{item} of branch '{seen.task}' outputs {tuple(shape)} and nothing says which of "
            "these are channels and pixels: declare it as Point(name, Layout('BCHW' or 'BHWC')) or, for tokens, "
            "Point(name, Layout('BNC', prefix=..., grid=(H, W)))"
        )
    return layout


def _by_places(seen: Observed, layer: str, key: Any, known: Layout | None) -> Layout | None:
    """The layout by where values lie in the picture, if `known` is None or has missed that patches lie in windows.

    A grid that is known only for the example does not count if the network takes images of other sizes.
    """
    layout = seen.layout_by_places(layer, key)
    if layout is None or layout.windows is not None:
        return layout or known
    return layout if known is None and (layout.grid is None or _larger(seen, layer, key) is None) else known


def _by_evidence(seen: Observed, layer: str, key: Any, shape: Sequence[int]) -> Layout | None:
    larger = _larger(seen, layer, key)
    if larger is None:
        return None
    changed = [i for i, (before, after) in enumerate(zip(shape, larger, strict=True)) if before != after]
    if changed == [2, 3]:
        return Layout("BCHW")
    return Layout("BHWC") if changed == [1, 2] else None


def _larger(seen: Observed, layer: str, key: Any) -> Sequence[int] | None:
    """The shape for images of twice the size; None if the network takes no other size."""
    try:
        shape: Sequence[int] = pick(seen.output(layer, scale=2), key).shape
    except InputError:
        return None
    return shape


def _by_declaration_of_network(seen: Observed, layer: str) -> Layout | None:
    for owner in _ancestors(seen.branch, layer):
        declared = getattr(owner, "output_fmt", None)
        order = {"NCHW": "BCHW", "NHWC": "BHWC"}.get(str(getattr(declared, "value", declared)))
        if order:
            return Layout(order)
    return None


def _tokens(seen: Observed, layer: str, key: Any, shape: Sequence[int]) -> Layout | None:
    return (
        _by_item(seen, layer, shape)
        or _by_map(seen, layer, key, shape)
        or _by_patches_of_network(seen, layer, shape)
        or _by_size_given(seen, layer, key, shape)
        or _by_size_of_next(seen, layer, key, shape)
    )


def _by_patches_of_network(seen: Observed, layer: str, shape: Sequence[int]) -> Layout | None:
    for owner in _ancestors(seen.branch, layer):
        prefix = getattr(owner, "num_prefix_tokens", None)
        grid = getattr(getattr(owner, "patch_embed", None), "grid_size", None)
        if prefix is not None and grid is not None and prefix + math.prod(grid) == shape[1]:
            return Layout("BNC", prefix, (grid[0], grid[1]))
    return None


def _by_item(seen: Observed, layer: str, shape: Sequence[int]) -> Layout | None:
    """Tokens in an output together with the (H, W) of their grid, or with a map of as many pixels."""
    value = seen.output(layer)
    items = list(enumerate(value)) if isinstance(value, list | tuple) else []
    for prefix in (0, 1):
        for key, item in items:
            if (size := _filled(sizes_in([item]), shape[1] - prefix)) is not None:
                return Layout("BNC", prefix, size, grid_of=key)
    for key, item in items:
        fits = isinstance(item, Tensor) and item.dim() == 4 and item.shape[2] * item.shape[3] == shape[1]
        if fits and _by_evidence(seen, layer, key, item.shape) == Layout("BCHW"):
            return Layout("BNC", grid=(item.shape[2], item.shape[3]), grid_of=key)
    return None


def _by_size_given(seen: Observed, layer: str, key: Any, shape: Sequence[int]) -> Layout | None:
    """Tokens whose (H, W) is an argument of the layer, for this image and a larger one."""
    larger = _larger(seen, layer, key)
    size = _filled(seen.sizes_given(layer), shape[1])
    if size is None or larger is None or _filled(seen.sizes_given(layer, scale=2), larger[1]) is None:
        return None
    return Layout("BNC", grid=size, grid_of=layer)


def _by_size_of_next(seen: Observed, layer: str, key: Any, shape: Sequence[int]) -> Layout | None:
    """Tokens that another layer gets with their (H, W); for images of other sizes the grid at this layer is unknown."""
    size = _filled(seen.sizes_with(pick(seen.output(layer), key)), shape[1])
    return None if size is None else Layout("BNC", grid=size)


def _filled(sizes: Sequence[tuple[int, int]], patches: int) -> tuple[int, int] | None:
    """The only (H, W) that so many patches fill; None if several or none do."""
    fitting = {size for size in sizes if math.prod(size) == patches}
    return fitting.pop() if len(fitting) == 1 else None


def _by_map(seen: Observed, layer: str, key: Any, shape: Sequence[int]) -> Layout | None:
    """Tokens with the grid of the last map before them that has as many pixels, for this image and a larger one.

    The number of tokens before the patches is that for which the network has parameters.
    """
    larger = _larger(seen, layer, key)
    beyond = {0, _prefix_parameters(seen.branch, shape[2])}
    beyond |= {getattr(owner, "num_prefix_tokens", 0) for owner in _ancestors(seen.branch, layer)}
    bigger = dict(seen.shapes_before(layer, scale=2)) if larger is not None else {}
    for name, size in reversed(seen.shapes_before(layer)):
        if len(size) != 4 or size[0] != shape[0]:
            continue
        prefix, again = shape[1] - size[2] * size[3], bigger.get(name)
        if prefix in beyond and (larger is None or (again and larger[1] - again[2] * again[3] == prefix)):
            return Layout("BNC", prefix, (size[2], size[3]), grid_of=None if larger is None else name)
    return None


def _prefix_parameters(branch: nn.Module, channels: int) -> int:
    """The number of class and register tokens for which a network has parameters."""
    count = 0
    for name, parameter in branch.named_parameters():
        last = name.rpartition(".")[2]
        if "mask" in last or not ("token" in last or last == "class_embedding") or parameter.shape[-1] != channels:
            continue
        count += parameter.numel() // channels
    return count


def _ancestors(branch: nn.Module, name: str) -> list[nn.Module]:
    path = name.split(".")
    return [branch.get_submodule(".".join(path[:depth])) for depth in range(len(path) - 1, -1, -1)]
