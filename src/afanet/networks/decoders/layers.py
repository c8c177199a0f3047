"""Layers for several decoders: residual blocks, gated features, and initial predictions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet.fusion.base import in_full_precision
from afanet.networks.heads.layers import logits_at
from afanet.networks.outputs import Dense, Output


class Residual(nn.Module):
    r"""A residual block: :math:`ReLU(x + f(x))`, where f is convolutions with batch norm and ReLU between them.

    If f changes the number of channels, x passes through a 1x1 convolution with batch norm.

    Args:
        widths: the channels of the input, and of the output of each convolution.
        kernels: the convolutions' kernel sizes: (3, 3) for a basic block, (1, 3, 1) for a bottleneck.

    >>> Residual((8, 4, 4), (3, 3))(torch.rand(2, 8, 5, 6)).shape
    torch.Size([2, 4, 5, 6])
    """

    def __init__(self, widths: Sequence[int], kernels: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for (inputs, outputs), kernel in zip(pairwise(widths), kernels, strict=True):
            layers += [*_conv(inputs, outputs, kernel), nn.ReLU()]
        self.body = nn.Sequential(*layers[:-1])
        self.skip = nn.Identity() if widths[0] == widths[-1] else nn.Sequential(*_conv(widths[0], widths[-1], 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, outputs, H, W)."""
        return F.relu(self.skip(x) + self.body(x))


def basic_blocks(inputs: int, outputs: int) -> nn.Sequential:
    """Two residual blocks of two 3x3 convolutions each."""
    return nn.Sequential(*(Residual((width, outputs, outputs), (3, 3)) for width in (inputs, outputs)))


def bottlenecks(inputs: int, outputs: int) -> nn.Sequential:
    """Two bottleneck blocks of three convolutions each; the middle one is 3x3 with a quarter of the channels."""
    inner = outputs // 4
    return nn.Sequential(*(Residual((width, inner, inner, outputs), (1, 3, 1)) for width in (inputs, outputs)))


class Gated(nn.Module):
    r"""Gated features of one task for another: :math:`\sigma(V * x) \odot (W * x)`, with 3x3 convolutions V and W.

    >>> Gated(8)(torch.rand(2, 8, 5, 6)).shape
    torch.Size([2, 8, 5, 6])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.features = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        gated: Tensor = torch.sigmoid(self.gate(x)) * self.features(x)
        return gated


class InitialPrediction(nn.Module):
    """A linear layer from early features to a task's output, in float32 under autocast.

    Args:
        channels: the channels of the features.
        output: the task's output; if it is pooled, the features are averaged over the pixels first.

    >>> InitialPrediction(8, Dense(3))(torch.rand(2, 8, 5, 6), (20, 24)).shape
    torch.Size([2, 3, 20, 24])
    """

    def __init__(self, channels: int, output: Output) -> None:
        super().__init__()
        self.dense = isinstance(output, Dense)
        self.logits = nn.Conv2d(channels, output.channels, 1)

    def forward(self, x: Tensor, size: Sequence[int]) -> Tensor:
        """The prediction from features (B, C, h, w) for an image of (H, W), in the form of the task's output."""
        if self.dense:
            return logits_at(self.logits, x, size, aligned=False)
        with in_full_precision(x):
            mean = x.to(self.logits.weight.dtype).mean((2, 3), keepdim=True)
            pooled: Tensor = self.logits(mean).flatten(1)
            return pooled


def _conv(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs)]
