"""The order of a layer's axes: recognised by evidence or by declaration, never guessed from a shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from afanet.errors import InputError
from afanet.networks.trace import Trace


@dataclass(frozen=True)
class Layout:
    """Which axes of a layer's features are channels and pixels.

    Args:
        order: "BCHW"; "BHWC", channels last as in Swin; or "BNC", tokens as in ViT.
        prefix: class and register tokens before the patches' ("BNC" only); they pass beside the fusion layer unchanged.
        grid: (H, W) of the patches ("BNC" only).

    Raises:
        InputError: for another order, or tokens without their grid.

    >>> tokens = Layout("BNC", prefix=1, grid=(2, 3))
    >>> x = torch.rand(4, 1 + 2 * 3, 8)
    >>> tokens.enter(x).shape
    torch.Size([4, 8, 2, 3])
    >>> bool((tokens.leave(tokens.enter(x), x) == x).all())
    True
    """

    order: str = "BCHW"
    prefix: int = 0
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.order not in ("BCHW", "BHWC", "BNC"):
            raise InputError(f"layout '{self.order}' is unknown: expected 'BCHW', 'BHWC' or 'BNC'")
        if (self.order == "BNC") != (self.grid is not None):
            raise InputError(
                f"layout '{self.order}' got grid={self.grid}: tokens (BNC) need (height, width), others none"
            )

    def enter(self, features: Tensor) -> Tensor:
        """The features as (B, C, H, W); a view, nothing is copied."""
        if self.order == "BHWC":
            return features.permute(0, 3, 1, 2)
        if self.order == "BNC":
            patches = features[:, self.prefix :] if self.prefix else features
            return patches.transpose(1, 2).unflatten(2, self.grid)  # type: ignore[no-untyped-call, no-any-return]
        return features

    def leave(self, fused: Tensor, features: Tensor) -> Tensor:
        """Fused (B, C, H, W) laid out as the features were; tokens before the patches' are those of `features`."""
        if self.order == "BHWC":
            return fused.permute(0, 2, 3, 1)
        if self.order == "BNC":
            patches = fused.flatten(2).transpose(1, 2)
            return torch.cat([features[:, : self.prefix], patches], 1) if self.prefix else patches
        return fused


@dataclass(frozen=True)
class Point:
    """A layer to meet at, with its layout if that must be declared: ``Point("blocks.3", Layout("BHWC"))``."""

    name: str
    layout: Layout | None = None


def layouts_of(trace: Trace, node: fx.Node, declared: Layout | None) -> dict[Any, Layout]:
    """The layout of every tensor in a layer's output: under None for a plain tensor, else under its index or key.

    A declared layout wins. Four axes are recognised by which of them change for images of twice the size. If the
    network takes no other size, and for tokens, attributes of the network decide (timm's `output_fmt`,
    `num_prefix_tokens` and `patch_embed.grid_size`).

    Raises:
        InputError: where the layout can neither be recognised nor was declared, naming the layer.
    """
    value = trace.value(node)
    if isinstance(value, Tensor):
        return {None: declared or _recognise(trace, node, None)}
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if type(value) in (list, tuple) else []
    if not keys or not all(isinstance(value[key], Tensor) for key in keys):
        raise InputError(
            f"layer '{node.target}' of branch '{trace.task}' puts out {type(value).__name__}: branches can meet at a "
            "tensor, or at a list, tuple or dict of tensors; name a layer inside it"
        )
    return {key: declared or _recognise(trace, node, key) for key in keys}


def pick(value: Any, key: Any) -> Any:
    """The tensor under a key of `layouts_of`."""
    return value if key is None else value[key]


def _recognise(trace: Trace, node: fx.Node, key: Any) -> Layout:
    shape = pick(trace.value(node), key).shape
    layout = None
    if len(shape) == 4:
        layout = _by_evidence(trace, node, key, shape) or _by_declaration_of_network(trace, str(node.target))
    elif len(shape) == 3:
        layout = _tokens(trace, str(node.target), shape)
    if layout is None:
        item = "" if key is None else f"[{key!r}]"
        raise InputError(
            f"layer '{node.target}'{item} of branch '{trace.task}' puts out {tuple(shape)} and nothing says which of "
            "these are channels and pixels: declare it as Point(name, Layout('BCHW' or 'BHWC')) or, for tokens, "
            "Point(name, Layout('BNC', prefix=..., grid=(H, W)))"
        )
    return layout


def _by_evidence(trace: Trace, node: fx.Node, key: Any, shape: Sequence[int]) -> Layout | None:
    try:
        larger = pick(trace.value(node, scale=2), key).shape
    except InputError:
        return None
    changed = [i for i, (before, after) in enumerate(zip(shape, larger, strict=True)) if before != after]
    if changed == [2, 3]:
        return Layout("BCHW")
    return Layout("BHWC") if changed == [1, 2] else None


def _by_declaration_of_network(trace: Trace, name: str) -> Layout | None:
    for owner in _ancestors(trace.branch, name):
        declared = getattr(owner, "output_fmt", None)
        order = {"NCHW": "BCHW", "NHWC": "BHWC"}.get(str(getattr(declared, "value", declared)))
        if order:
            return Layout(order)
    return None


def _tokens(trace: Trace, name: str, shape: Sequence[int]) -> Layout | None:
    for owner in _ancestors(trace.branch, name):
        prefix = getattr(owner, "num_prefix_tokens", None)
        grid = getattr(getattr(owner, "patch_embed", None), "grid_size", None)
        if prefix is not None and grid is not None and prefix + grid[0] * grid[1] == shape[1]:
            return Layout("BNC", prefix, (grid[0], grid[1]))
    return None


def _ancestors(branch: nn.Module, name: str) -> list[nn.Module]:
    path = name.split(".")
    return [branch.get_submodule(".".join(path[:depth])) for depth in range(len(path) - 1, -1, -1)]
