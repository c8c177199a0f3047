"""The order of a network's weights in memory."""

from __future__ import annotations

import torch
from torch import nn


def channels_last(network: nn.Module) -> nn.Module:
    """`network` itself, with its kernels in channels-last order.

    >>> channels_last(nn.Conv2d(3, 4, 3)).weight.is_contiguous(memory_format=torch.channels_last)
    True
    """
    # `network.to` fails on parameters with five axes, such as those of cross-stitch.
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network
