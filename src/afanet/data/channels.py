"""The transform step that gives images the channels that a network takes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.normalisation import as_channels


class Channels(v2.Transform):
    """Gives an image the number of `channels` that a network takes, see `as_channels`; targets do not change.

    >>> Channels(1)(tv_tensors.Image(torch.full((3, 2, 2), 7, dtype=torch.uint8))).shape
    torch.Size([1, 2, 2])
    """

    def __init__(self, channels: int = 3):
        super().__init__()
        self.channels = channels

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, tv_tensors.Image) or inpt.shape[0] == self.channels:
            return inpt
        pixels = as_channels(inpt.as_subclass(Tensor).permute(1, 2, 0).numpy(), self.channels)
        return tv_tensors.Image(torch.from_numpy(pixels).permute(2, 0, 1))
