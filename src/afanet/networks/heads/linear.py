"""Mean pooling and a linear layer, for a value or more for the whole image."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from afanet.networks.heads.head import Features, Head, Stage


class PooledHead(Head):
    """The mean of the last features over the image, and a linear layer.

    Args:
        channels: of the low and the high features.
        outputs: values an image.

    Forward takes the features (low, high) and returns (B, outputs); the image's size does not matter to it.

    >>> import torch
    >>> PooledHead((64, 512), outputs=8)((torch.rand(2, 64, 8, 8), torch.rand(2, 512, 2, 2)), (32, 32)).shape
    torch.Size([2, 8])
    """

    output = "pooled"

    def __init__(self, channels: tuple[int, int], outputs: int) -> None:
        super().__init__()
        self.logits = nn.Linear(channels[1], outputs)

    @classmethod
    def build(cls, stages: Sequence[Stage], outputs: int, output_stride: int) -> PooledHead:
        """The head for the first and the last stage."""
        low, high = stages
        return cls((low.channels, high.channels), outputs)

    def forward(self, features: Features, size: Sequence[int]) -> Tensor:
        logits: Tensor = self.logits(features[1].mean((2, 3)))
        return logits
