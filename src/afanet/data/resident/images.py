"""Zooms, mirrors and colours the images of a batch together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize_image

from afanet.data.resident.steps import BRIGHTNESS, CONTRAST, SATURATION, View
from afanet.framing import Box

GREY = (0.2989, 0.587, 0.114)  # weights of red, green and blue, as in torchvision
MOST = 255  # the largest value of a pixel


def zoomed(
    stored: Tensor, numbers: Sequence[int], views: Sequence[View], size: tuple[int, int], around: Tensor
) -> Tensor:
    """The part of each image that its view sees, mirrored if the view says so, in whole levels, float32 (B, C, *size).

    Args:
        stored: all images, uint8 (N, H, W, C), on any device.
        numbers: the numbers of the images in the batch.
        views: how each of these images is seen.
        size: (H, W) of the result.
        around: the colour around an image that does not fill the result, float32 (C, 1, 1).
    """
    # On the CPU, torchvision's kernel for bytes is many times faster than products with mostly zeros.
    seen = one_by_one if stored.device.type == "cpu" else by_products
    return seen(stored, numbers, views, size, around)


def one_by_one(
    stored: Tensor, numbers: Sequence[int], views: Sequence[View], size: tuple[int, int], around: Tensor
) -> Tensor:
    """`zoomed`, computed as the samples' own steps do it."""
    seen = around.expand(len(numbers), -1, *size).contiguous()
    for number, view, place in zip(numbers, views, seen, strict=True):
        window, filled = view.window, view.filled
        part = stored[number].permute(2, 0, 1)[:, *window.slices]
        if (window.height, window.width) != (filled.height, filled.width):
            part = resize_image(part, [filled.height, filled.width], antialias=True)
        left = size[1] - filled.left - filled.width if view.mirrored else filled.left
        goes = Box(filled.top, left, filled.height, filled.width)
        place[:, *goes.slices] = part.flip(-1) if view.mirrored else part
    return seen


def by_products(
    stored: Tensor, numbers: Sequence[int], views: Sequence[View], size: tuple[int, int], around: Tensor
) -> Tensor:
    r"""`zoomed`, computed as products of matrices: :math:`Y_b X_b Z_b^T` for each channel of image b.

    The rows of Y and Z are the weights of source pixels: a triangle around each target pixel's centre that sums to 1
    and, where the scale is below 1, is widened by the scale (antialiased).
    """
    device = stored.device
    images = stored[on_device(torch.tensor(numbers), device)].permute(0, 3, 1, 2)
    rows = _weights([_axis(view, 0) for view in views], images.shape[2], size[0], device)
    columns = _weights([_axis(view, 1) for view in views], images.shape[3], size[1], device)
    # In whole levels after each of the two products, halves rounded up, as in the kernel for bytes.
    across = (images.float() @ columns.mT[:, None]).add_(0.5).floor_()
    seen = (rows[:, None] @ across).add_(0.5).floor_()
    inside = rows.any(2)[:, None, :, None] & columns.any(2)[:, None, None, :]
    return torch.where(inside, seen.clamp_(0, MOST), around)


def _axis(view: View, axis: int) -> tuple[int, int, int, int, bool]:
    """Along an axis: start and length of the window, start and length of its target, and whether it is mirrored."""
    window, filled = view.window, view.filled
    if axis == 0:
        return window.top, window.height, filled.top, filled.height, False
    return window.left, window.width, filled.left, filled.width, view.mirrored


def _weights(axes: Sequence[tuple[int, int, int, int, bool]], stored: int, size: int, device: torch.device) -> Tensor:
    """The weight of each of `stored` pixels for each of `size` pixels, float32 (B, size, stored); 0 in the padding."""
    numbers = on_device(torch.tensor(axes, dtype=torch.float32), device)
    start, length, first, count, mirrored = numbers[:, :, None, None].unbind(1)
    target = torch.arange(size, device=device)[:, None]
    target = torch.where(mirrored > 0, size - 1 - target, target) - first
    source = torch.arange(stored, device=device) + 0.5 - start
    scale = length / count
    weights = (1 - (source - scale * (target + 0.5)).abs() / scale.clamp(min=1)).clamp(min=0)
    inside = (source > 0) & (source < length) & (target >= 0) & (target < count)
    weights = weights * inside
    return weights / weights.sum(2, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)


def coloured(images: Tensor, views: Sequence[View]) -> Tensor:
    """Change the colours of images in whole levels (B, C, H, W) as their views say, in place; C is 1 or 3.

    Each change is a blend: x becomes f x + (1 - f) y, cut to 0 to 255 and rounded down, as torchvision does with bytes.
    For brightness y is 0, for saturation the grey image, and for contrast the mean of the grey image.

    >>> dark = View({}, False, ((BRIGHTNESS, 0.5),), (0, 0))
    >>> coloured(torch.full((1, 3, 1, 1), 201.0), [dark]).flatten().tolist()
    [100.0, 100.0, 100.0]
    """
    for turn in range(max(len(view.colours) for view in views)):
        changes = [view.colours[turn] if turn < len(view.colours) else (BRIGHTNESS, 1.0) for view in views]
        _blend(images, changes)
    return images


def _blend(images: Tensor, changes: Sequence[tuple[int, float]]) -> None:
    grey = images if images.shape[1] == 1 else _grey(images)
    rows = [
        [factor, (1 - factor) * (kind == CONTRAST), (1 - factor) * (kind == SATURATION)] for kind, factor in changes
    ]
    if images.shape[1] == 1:  # saturation does not change grey images
        rows = [[1.0, 0.0, 0.0] if kind == SATURATION else row for (kind, _), row in zip(changes, rows, strict=True)]
    factor, of_mean, of_grey = on_device(torch.tensor(rows), images.device)[:, :, None, None, None].unbind(1)
    other = (grey.mean((1, 2, 3), keepdim=True) * of_mean).addcmul(grey, of_grey)
    images.mul_(factor).add_(other).clamp_(0, MOST).floor_()


def _grey(images: Tensor) -> Tensor:
    red, green, blue = images[:, :1], images[:, 1:2], images[:, 2:]
    return red.mul(GREY[0]).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2]).floor_()


def on_device(values: Tensor, device: torch.device) -> Tensor:
    """Move values from the CPU to a device, without waiting for it."""
    pinned = values.pin_memory() if device.type == "cuda" else values
    return pinned.to(device, non_blocking=device.type != "mps")  # on mps, such a copy may come too late
