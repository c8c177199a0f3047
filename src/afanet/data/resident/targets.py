"""Targets of a batch: maps, cut together on their device, and values for the whole image, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision import tv_tensors

from afanet.data.resident.steps import Steps, View
from afanet.tasks.maps import Map, Points


def source_pixels(views: Sequence[View], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The row and the column of the stored image at each row and column of an input of `size`, (B, H) and (B, W).

    It is the pixel that holds the centre of the input's pixel, as in `Zoom`; -1 in the padding.
    """
    rows = [(v.window.top, v.window.height, v.filled.top, v.filled.height) for v in views]
    columns = [(v.window.left, v.window.width, v.filled.left, v.filled.width) for v in views]
    across = _along(columns, size[1])
    mirrored = torch.tensor([[view.mirrored] for view in views])
    return _along(rows, size[0]), torch.where(mirrored, across.flip(1), across)


def _along(axes: Sequence[tuple[int, int, int, int]], size: int) -> Tensor:
    start, length, first, count = torch.tensor(axes)[:, :, None].unbind(1)
    target = torch.arange(size) - first
    source = start + ((2 * target + 1) * length).div(2 * count, rounding_mode="floor")
    return source.where((target >= 0) & (target < count), -1)


def cut(stored: Tensor, numbers: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The pixels of maps (N, ..., H, W) at rows (B, h) and columns (B, w) of the samples numbered (B,): (B, ..., h, w).

    >>> maps = torch.arange(8).view(2, 2, 2)
    >>> cut(maps, torch.tensor([1]), torch.tensor([[0, 1]]), torch.tensor([[1, 0]])).tolist()
    [[[5, 4], [7, 6]]]
    """
    layers, (height, width) = stored[0, ..., 0, 0].numel(), stored.shape[-2:]
    maps = numbers[:, None] * layers + torch.arange(layers, device=numbers.device)
    pixels = (maps[:, :, None, None] * height + rows[:, None, :, None]) * width + columns[:, None, None, :]
    return stored.take(pixels).view(len(numbers), *stored.shape[1:-2], *pixels.shape[-2:])


def as_seen(maps: Tensor, kind: type[tv_tensors.TVTensor], views: Sequence[View]) -> Tensor:
    """Maps (B, ...) with values changed as their kind demands in a nearer and in a mirrored view."""
    if not issubclass(kind, Map) or (kind.nearer is Map.nearer and kind.mirrored is Map.mirrored):
        return maps
    seen = []
    for values, view in zip(maps, views, strict=True):
        nearer = kind(values).nearer(view.zoom["scale"])
        seen.append((nearer.mirrored() if view.mirrored else nearer).as_subclass(Tensor))
    return torch.stack(seen)


def whole_as_seen(value: Tensor, kind: type[Tensor], steps: Steps, view: View) -> Tensor:
    """The value of one image in its view: points move with the view, and anything else stays as it is."""
    if kind is not Points:
        return value
    points = steps.zoom.transform(Points(value), view.zoom)
    seen: Tensor = (points.mirrored() if view.mirrored else points).as_subclass(Tensor)
    return seen
