"""Pads images to a size that a backbone takes; images are never stretched."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from afanet.errors import InputError


class Padding(nn.Module):
    """Pads images on the right and below with zeros, the mean colour of normalised images.

    Args:
        name: the backbone's name, for messages.
        multiple: the backbone takes heights and widths that are multiples of it.
        one_size: (H, W) if it takes only this size.

    Forward takes (B, C, H, W) and returns (B, C, H', W'); it raises `InputError` for images larger than `one_size`.

    >>> import torch
    >>> Padding("vit", multiple=16)(torch.rand(1, 3, 30, 48)).shape
    torch.Size([1, 3, 32, 48])
    """

    def __init__(self, name: str, multiple: int, one_size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.name = name
        self.multiple = multiple
        self.one_size = one_size

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        if self.one_size is None:
            return F.pad(image, (0, -width % self.multiple, 0, -height % self.multiple))
        below, right = self.one_size[0] - height, self.one_size[1] - width
        if below < 0 or right < 0:
            raise one_size_only(self.name, self.one_size, (height, width))
        return F.pad(image, (0, right, 0, below))


def one_size_only(name: str, one_size: tuple[int, int], size: tuple[int, int]) -> InputError:
    """The error for images that are larger than the one size that a backbone takes."""
    return InputError(
        f"backbone '{name}' takes images of {one_size[0]}x{one_size[1]} only (smaller ones are padded), but these "
        f"have {size[0]}x{size[1]}: use smaller images, or another backbone"
    )


def cut(logits: Tensor, size: Sequence[int]) -> Tensor:
    """The part of (B, C, H', W') that lies in an image of this (H, W), without the padding."""
    if has_torch_function_unary(logits):  # while a branch is traced, record one operation
        whole: Tensor = handle_torch_function(cut, (logits,), logits, size)
        return whole
    height, width = size
    if torch.compiler.is_exporting():  # a slice's strides would tie the graph to sizes that need no padding
        rows, columns = (torch.arange(length, device=logits.device) for length in (height, width))
        return logits.index_select(-2, rows).index_select(-1, columns)
    return logits[..., :height, :width]
