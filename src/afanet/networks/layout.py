"""The layout of a layer's features: which axes are channels and pixels, and where the patches of tokens lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx

from afanet.errors import InputError

Windows = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """Which axes of a layer's features are channels and pixels.

    Args:
        order: "BCHW"; "BHWC", channels last as in Swin; or "BNC", tokens as in ViT.
        prefix: the number of class and register tokens before the patches ("BNC" only).
        grid: (H, W) of the patches for the example image ("BNC" only).
        grid_of: tells the patches' grid for images of every size: the name of a layer whose output (B, C, H, W) has
            this grid, or which is given (H, W); or the number of the item in the point's own output that is such a map
            or (H, W) ("BNC" only). Without it, all images must have the example's size.
        windows: for patches that do not lie row by row: the sizes of the axes into which the patches split, and the
            order of these axes, counted from 0, that gives rows of the picture. The features may have such axes
            themselves, as in (B, windows, patches, C) ("BNC" only).

    Raises:
        InputError: for another order, tokens without their grid, or windows that do not fill the grid.

    >>> tokens = Layout("BNC", prefix=1, grid=(2, 3))
    >>> x = torch.rand(4, 1 + 2 * 3, 8)
    >>> tokens.enter(x).shape
    torch.Size([4, 8, 2, 3])
    >>> bool((tokens.leave(tokens.enter(x), x) == x).all())
    True
    >>> four = torch.tensor([0, 1, 4, 5, 2, 3, 6, 7]).view(1, 8, 1)  # two windows of 2x2, side by side
    >>> Layout("BNC", grid=(2, 4), windows=((2, 2, 2), (1, 0, 2))).enter(four).squeeze()
    tensor([[0, 1, 2, 3],
            [4, 5, 6, 7]])
    """

    order: str = "BCHW"
    prefix: int = 0
    grid: tuple[int, int] | None = None
    grid_of: str | int | None = None
    windows: Windows | None = None

    def __post_init__(self) -> None:
        if self.order not in ("BCHW", "BHWC", "BNC"):
            raise InputError(f"layout '{self.order}' is unknown: expected 'BCHW', 'BHWC' or 'BNC'")
        if (self.order == "BNC") != (self.grid is not None):
            raise InputError(
                f"layout '{self.order}' got grid={self.grid}: tokens (BNC) need (height, width), others none"
            )
        if self.windows is not None:
            sizes, axes = self.windows
            if self.grid is None or math.prod(sizes) != math.prod(self.grid) or sorted(axes) != [*range(len(sizes))]:
                raise InputError(
                    f"layout '{self.order}' got windows={self.windows} and grid={self.grid}: expected tokens, "
                    "sizes of axes that fill the grid, and the number of each axis once"
                )

    def enter(self, features: Tensor, grid: Sequence[int] | Tensor | None = None, where: str = "the layer") -> Tensor:
        """The features as (B, C, H, W); a view, nothing is copied.

        Args:
            features: the layer's output.
            grid: the current grid of the patches, if it is not the example's: a map, or (H, W), or several (H, W) in
                one row, of which the one that the patches fill counts.
            where: the layer, for messages.
        """
        if self.order == "BHWC":
            return features.permute(0, 3, 1, 2)
        if self.order == "BNC":
            patches: Any = features[:, self.prefix :] if self.prefix else features
            now = self.grid if grid is None else grid
            return _called(as_map, patches, now, where, *([self.windows] if self.windows else []))
        return features

    def enter_prefix(self, features: Tensor) -> Tensor:
        """The class and register tokens as (B, C, P, 1); a view."""
        return features[:, : self.prefix].transpose(1, 2).unsqueeze(3)

    def leave(self, fused: Tensor, features: Tensor, prefix: Tensor | None = None) -> Tensor:
        """Fused (B, C, H, W) in the layout of the features, after `prefix` (B, C, P, 1) or the features' own tokens."""
        if self.order == "BHWC":
            return fused.permute(0, 2, 3, 1)
        if self.order == "BNC":
            if self.windows:
                own = features[:, self.prefix :] if self.prefix else features
                patches = _called(as_windows, fused, own, self.windows)
            else:
                patches = fused.flatten(2).transpose(1, 2)
            if not self.prefix:
                return patches
            before = features[:, : self.prefix] if prefix is None else prefix.squeeze(3).transpose(1, 2)
            return torch.cat([before, patches], 1)
        return fused


@dataclass(frozen=True)
class Point:
    """A layer to meet at, with its layout if this must be declared: ``Point("blocks.3", Layout("BHWC"))``.

    If the layer outputs several tensors, ``{0: Layout("BHWC")}`` names those that meet, by index or key.
    """

    name: str
    layout: Layout | Mapping[Any, Layout] | None = None


def as_map(patches: Tensor, grid: Sequence[int] | Tensor, where: str, windows: Windows | None = None) -> Tensor:
    """Patch tokens (B, N, C) as (B, C, H, W); raises `InputError` if they do not fill the grid.

    With `windows`, see `Layout`, the tokens may have several axes in place of N.
    """
    if windows is not None:
        patches = patches.flatten(1, -2)
    sizes = grid.shape[2:] if isinstance(grid, Tensor) else grid
    pairs = [(sizes[i], sizes[i + 1]) for i in range(0, len(sizes), 2)]
    height, width = next((pair for pair in pairs if patches.shape[1] == pair[0] * pair[1]), pairs[0])
    if patches.shape[1] != height * width:
        raise InputError(
            f"{where} outputs {patches.shape[1]} patches, which do not fill a grid of {height}x{width}: use images of "
            "the example's size, or name the layer that has their grid as Layout('BNC', prefix=..., grid=..., "
            "grid_of=LAYER)"
        )
    if windows is not None:
        sizes, axes = windows
        apart = patches.unflatten(1, sizes)  # type: ignore[no-untyped-call]
        patches = apart.permute(0, *(axis + 1 for axis in axes), -1).flatten(1, -2)
    return patches.transpose(1, 2).unflatten(2, (height, width))  # type: ignore[no-untyped-call, no-any-return]


def as_windows(fused: Tensor, patches: Tensor, windows: Windows) -> Tensor:
    """A map (B, C, H, W) as tokens in windows, in the shape of `patches`: the inverse of `as_map`."""
    sizes, axes = windows
    apart = fused.flatten(2).unflatten(2, [sizes[axis] for axis in axes])  # type: ignore[no-untyped-call]
    back = [axes.index(axis) + 2 for axis in range(len(axes))]
    tokens: Tensor = apart.permute(0, *back, 1).reshape(patches.shape)
    return tokens


def windows_of(tokens: Tensor) -> Windows | None:
    """The axes into which tokens split, from the number of each pixel's token; None if no axes give this order.

    >>> windows_of(torch.tensor([0, 1, 4, 5, 2, 3, 6, 7]))
    ((2, 2, 2), (1, 0, 2))
    """
    count = len(tokens)
    if not torch.equal(tokens.sort().values, torch.arange(count, device="cpu")):
        return None
    pixels = tokens.argsort().tolist()  # the number of each token's pixel
    sizes: list[int] = []
    steps: list[int] = []
    done = 1
    while done < count:
        step, size = pixels[done], 2
        while (size + 1) * done <= count and pixels[size * done] == size * step:
            size += 1
        size = next(fitting for fitting in range(size, 0, -1) if count % (done * fitting) == 0)
        if size == 1:
            return None
        sizes, steps, done = [size, *sizes], [step, *steps], done * size
    axes = sorted(range(len(sizes)), key=lambda axis: -steps[axis])
    if torch.arange(count, device="cpu").view(sizes).permute(axes).flatten().tolist() != tokens.tolist():
        return None
    return (tuple(sizes), tuple(axes)) if sizes else ((1,), (0,))


def _called(function: Callable[..., Tensor], x: Any, *args: Any) -> Tensor:
    """The function's result for a tensor; for a tracing proxy, the call is recorded."""
    if isinstance(x, fx.Proxy):
        return cast(Tensor, x.tracer.create_proxy("call_function", function, (x, *args), {}))
    return function(x, *args)


def where_of(task: str, layer: str) -> str:
    """A layer, for messages."""
    return f"layer '{layer}' of branch '{task}'"
