"""Follows values from a map of the picture through all operations that move them, to see where each value lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from afanet.networks.layout import Layout, windows_of

NOWHERE = complex("nan")
STEPS = 1e5  # a map has fewer rows and columns than this
STARTS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)  # layers whose output is a map of the picture
aten: Any = torch.ops.aten
# Operations that move values; that reshape; that keep values in place; that normalise; that make one value of several;
# and that mix the channels of one place.
MOVES = {
    *(aten.permute, aten.transpose, aten.t, aten.slice, aten.select, aten.unsqueeze, aten.squeeze, aten.expand),
    *(aten.cat, aten.stack, aten.unbind, aten.split, aten.split_with_sizes, aten.chunk, aten.roll, aten.flip),
}
VIEWS = {aten.view, aten._unsafe_view, aten.reshape}
COPIES = {aten.clone, aten.alias, aten.detach, aten._to_copy, aten.lift_fresh}
NORMS = {aten.native_layer_norm, aten.native_batch_norm, aten.native_group_norm, aten._fused_rms_norm}
MEANS = {aten.max, aten.amax, aten.mean, aten.min, aten.amin}
LINEAR = {aten.mm: 0, aten.addmm: 1}  # the number of the argument that has the places


class Following(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A mode in which tensors have an attribute with the place of each of their values in the picture, y + xi.

    `start` gives a map its places. If an operation combines values of several places, as attention does, its output
    has no places.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        given = [x for x in tree_flatten((args, dict(kwargs or {})))[0] if isinstance(x, Tensor)]
        if any(_places(x) is not None for x in given):
            with unset_fake_temporarily():
                _set(output, _moved(func, args, dict(kwargs or {}), given, output))
        return output


def start(x: Tensor) -> None:
    """Give a map (B, C, H, W) its places."""
    with unset_fake_temporarily():
        rows, columns = ((torch.arange(n, dtype=torch.float, device="cpu") + 0.5) / n for n in x.shape[2:])
        vars(x)["places"] = torch.complex(*torch.meshgrid(rows, columns, indexing="ij")).expand(x.shape)


def layout_by_places(x: Tensor) -> Layout | None:
    """The layout of features by the places of their values; None if these do not fill a grid or are not known."""
    known = _places(x)
    with unset_fake_temporarily():
        return None if known is None or known.ndim not in (3, 4) else _layout(known[0])


def _layout(places: Tensor) -> Layout | None:
    axis = next((axis for axis in (-1, 0) if _alike(places, places.narrow(axis, 0, 1))), None)
    if axis is None or (axis == 0 and places.ndim != 3):
        return None
    tokens = places.select(axis, 0)
    flat = tokens.flatten()
    prefix = int(flat.isnan().cumprod(0).sum())
    patches = flat[prefix:]
    (rows, of_row), (columns, of_column) = (
        torch.unique((part * STEPS).round(), return_inverse=True) for part in (patches.real, patches.imag)
    )
    pixels, grid = of_row * len(columns) + of_column, (len(rows), len(columns))
    count = torch.arange(grid[0] * grid[1], device="cpu")
    if not len(count) or bool(patches.isnan().any()) or not torch.equal(pixels.sort().values, count):
        return None
    if torch.equal(pixels, count) and tuple(tokens.shape) == grid:
        return Layout("BCHW" if axis == 0 else "BHWC")
    if axis == 0 or (prefix and tokens.ndim > 1):
        return None
    if torch.equal(pixels, count) and tokens.ndim == 1:
        return Layout("BNC", prefix, grid)
    windows = windows_of(pixels.argsort())
    return None if windows is None else Layout("BNC", prefix, grid, windows=windows)


def _places(x: Tensor) -> Tensor | None:
    return vars(x).get("places")


def _set(output: Any, places: Any) -> None:
    outputs, known = (tree_flatten(x)[0] for x in (output, places))
    for x, place in zip(outputs, known, strict=False):
        if isinstance(x, Tensor) and isinstance(place, Tensor) and x.shape == place.shape:
            vars(x)["places"] = place


def _moved(func: Any, args: Any, kwargs: dict[str, Any], given: Sequence[Tensor], output: Any) -> Any:
    """The places of an operation's output; None if it has none."""
    packet = func.overloadpacket
    if packet in MOVES:
        return func(*tree_map(_filled, args), **kwargs)
    if packet in VIEWS:
        return _filled(args[0]).reshape(args[1])
    if packet in COPIES:
        return _places(args[0])
    if packet in NORMS:
        return _places(args[0])
    if packet in LINEAR:
        rows = _places(args[LINEAR[packet]])
        return None if rows is None or not _alike(rows, rows[:, :1]) else rows[:, :1].expand(output.shape)
    if packet in MEANS and len(args) > 1 and not isinstance(args[1], Tensor):
        return aten.mean.dim(_filled(args[0]), *_dims(args, kwargs))
    if torch.Tag.pointwise in func.tags and isinstance(output, Tensor):
        known = [places for x in given if (places := _places(x)) is not None and places.shape == output.shape]
        return known[0] if known and all(_alike(places, known[0]) for places in known) else None
    return None


def _dims(args: Any, kwargs: Mapping[str, Any]) -> tuple[list[int], bool]:
    dims = args[1] if isinstance(args[1], list | tuple) else [args[1]]
    return list(dims), bool(args[2] if len(args) > 2 else kwargs.get("keepdim", False))


def _filled(x: Any) -> Any:
    """The places of a tensor, `NOWHERE` if it has none; anything else is returned as it is."""
    if not isinstance(x, Tensor):
        return x
    places = _places(x)
    return torch.full((), NOWHERE, dtype=torch.cfloat, device="cpu").expand(x.shape) if places is None else places


def _alike(a: Tensor, b: Tensor) -> bool:
    return a is b or bool(torch.isclose(a, b.expand(a.shape), rtol=0, atol=0.1 / STEPS, equal_nan=True).all())
