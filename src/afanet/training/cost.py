"""The cost of a network: its parameters, and the arithmetic for one image."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def parameters(network: nn.Module) -> int:
    """The number of trainable values; values that branches share count once.

    >>> parameters(nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def flops(network: nn.Module, size: tuple[int, int], channels: int = 3) -> int:
    """Floating-point operations of convolutions and matrix products in a forward pass of one image (channels, H, W).

    A multiply-add counts as two, as in `torch.utils.flop_counter`.

    >>> flops(nn.Conv2d(3, 4, kernel_size=1), (5, 6))  # 2 x 3 x 4 x 30
    720
    """
    training = network.training
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, channels, *size))
    network.train(training)
    return int(counter.get_total_flops())
