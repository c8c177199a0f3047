"""Images are padded to a size that a backbone takes; they are never stretched."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from afanet.errors import InputError


class Padding(nn.Module):
    """Pads images right and below with zeros, the mean colour of normalised images.

    Args:
        name: of the backbone, for messages.
        multiple: of the height and width that the backbone takes.
        one_size: (H, W) if it takes this size alone.

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
        f"backbone '{name}' takes images of {one_size[0]}x{one_size[1]} only (smaller ones are padded), and these "
        f"have {size[0]}x{size[1]}: use smaller images, or another backbone"
    )


def cut(logits: Tensor, size: Sequence[int]) -> Tensor:
    """The part of (B, C, H', W') that lies in an image of this (H, W), without what was padded."""
    height, width = size
    return logits[..., :height, :width]
