"""The order of a layer's axes: which of them are channels and pixels, and where the patches of tokens are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx

from afanet.errors import InputError


@dataclass(frozen=True)
class Layout:
    """Which axes of a layer's features are channels and pixels.

    Args:
        order: "BCHW"; "BHWC", channels last as in Swin; or "BNC", tokens as in ViT.
        prefix: class and register tokens before the patches' ("BNC" only).
        grid: (H, W) of the patches for the example image ("BNC" only).
            grid_of: the layer whose (B, C, H, W) has the patches' grid for images of every size, or to which (H, W) is
            given; or the number of the item in the point's own output that is such a map, or has (H, W) ("BNC" only).
            Without it, images have the example's size.

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
    grid_of: str | int | None = None

    def __post_init__(self) -> None:
        if self.order not in ("BCHW", "BHWC", "BNC"):
            raise InputError(f"layout '{self.order}' is unknown: expected 'BCHW', 'BHWC' or 'BNC'")
        if (self.order == "BNC") != (self.grid is not None):
            raise InputError(
                f"layout '{self.order}' got grid={self.grid}: tokens (BNC) need (height, width), others none"
            )

    def enter(self, features: Tensor, grid: Sequence[int] | Tensor | None = None, where: str = "the layer") -> Tensor:
        """The features as (B, C, H, W); a view, nothing is copied.

        Args:
            features: what the layer puts out.
            grid: that of the patches now, if it is not the example's: a map, or (H, W), or several of these one after
                the other, of which the one that the patches fill counts.
            where: the layer, for messages.
        """
        if self.order == "BHWC":
            return features.permute(0, 3, 1, 2)
        if self.order == "BNC":
            patches: Any = features[:, self.prefix :] if self.prefix else features
            now = self.grid if grid is None else grid
            if isinstance(patches, fx.Proxy):  # a call to be recorded
                recorded: Any = patches.tracer.create_proxy("call_function", as_map, (patches, now, where), {})
                return cast(Tensor, recorded)
            assert now is not None
            return as_map(patches, now, where)
        return features

    def enter_prefix(self, features: Tensor) -> Tensor:
        """The class and register tokens as (B, C, P, 1); a view."""
        return features[:, : self.prefix].transpose(1, 2).unsqueeze(3)

    def leave(self, fused: Tensor, features: Tensor, prefix: Tensor | None = None) -> Tensor:
        """Fused (B, C, H, W) laid out as the features were, after `prefix` (B, C, P, 1) or their own tokens."""
        if self.order == "BHWC":
            return fused.permute(0, 2, 3, 1)
        if self.order == "BNC":
            patches = fused.flatten(2).transpose(1, 2)
            if not self.prefix:
                return patches
            before = features[:, : self.prefix] if prefix is None else prefix.squeeze(3).transpose(1, 2)
            return torch.cat([before, patches], 1)
        return fused


@dataclass(frozen=True)
class Point:
    """A layer to meet at, with its layout if that must be declared: ``Point("blocks.3", Layout("BHWC"))``."""

    name: str
    layout: Layout | None = None


def as_map(patches: Tensor, grid: Sequence[int] | Tensor, where: str) -> Tensor:
    """Tokens (B, N, C) of patches as (B, C, H, W); raises `InputError` where they are not those of the grid."""
    sizes = grid.shape[2:] if isinstance(grid, Tensor) else grid
    pairs = [(sizes[i], sizes[i + 1]) for i in range(0, len(sizes), 2)]
    height, width = next((pair for pair in pairs if patches.shape[1] == pair[0] * pair[1]), pairs[0])
    if patches.shape[1] != height * width:
        raise InputError(
            f"{where} puts out {patches.shape[1]} patches, which do not fill a grid of {height}x{width}: use images of "
            "the example's size, or name the layer that has their grid as Layout('BNC', prefix=..., grid=..., "
            "grid_of=LAYER)"
        )
    return patches.transpose(1, 2).unflatten(2, (height, width))  # type: ignore[no-untyped-call, no-any-return]


def where_of(task: str, layer: str) -> str:
    """A layer, for messages."""
    return f"layer '{layer}' of branch '{task}'"
