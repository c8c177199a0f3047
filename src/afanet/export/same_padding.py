"""TensorFlow's "same" padding, which timm computes from each image's size, in a form that exporters can follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn


@contextmanager
def same_padding_spelled_out(network: nn.Module) -> Iterator[None]:
    """A context in which the `Conv2dSame` layers of a network pad by `same_padding`.

    torch.export keeps the size of every layer as a formula of the image's size. timm writes the padding with a ceiling
    and a maximum. With these the formulas of EfficientNet-Lite0 double several times in each of its five strided
    layers, and an export for any size does not end.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, Conv2dSame)]
    for layer in layers:
        layer.forward = partial(_padded, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # uncovers the method of the class


def same_padding(
    size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[int]:
    """The padding (left, right, above, below) with which the output has ceil(size / stride) pixels.

    A kernel that reaches over r = dilation (kernel - 1) + 1 pixels needs (-size mod stride) + r - stride more pixels,
    or none if this is negative. If the number is odd, the larger half goes to the right or below.

    >>> same_padding((9, 12), (3, 3), (2, 2), (1, 1))
    [0, 1, 1, 1]
    """
    padding: list[int] = []
    for pixels, width, step, apart in zip(size, kernel, stride, dilation, strict=True):
        missing = apart * (width - 1) + 1 - step
        more = -pixels % step + missing if step > 1 else missing
        if missing < 0:
            more = max(more, 0)
        padding = [more // 2, more - more // 2, *padding]
    return padding


def _padded(layer: Conv2dSame, x: Tensor) -> Tensor:
    padding = same_padding(x.shape[-2:], layer.kernel_size, layer.stride, layer.dilation)
    return F.conv2d(F.pad(x, padding), layer.weight, layer.bias, layer.stride, 0, layer.dilation, layer.groups)
