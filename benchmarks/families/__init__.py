"""Networks of other packages, smallest members of their families with random weights: one file for each package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Family:
    """One family of networks.

    Args:
        make: a network with random weights.
        block: the last block, alone.
        stages: the layers after each stage, or all blocks of a network that has no stages.
        size: height and width of the images, in pixels.
    """

    make: Callable[[], nn.Module]
    block: str
    stages: tuple[str, ...]
    size: int = 64


def numbered(pattern: str, count: int, start: int = 0) -> tuple[str, ...]:
    """The names of layers that a number tells apart."""
    return tuple(pattern.format(number) for number in range(start, start + count))
