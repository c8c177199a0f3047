"""The output that a task needs from a network: a map as large as the image, or one vector for the whole image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

Given = TypeVar("Given")


@dataclass(frozen=True)
class Dense:
    """A map: `channels` values for every pixel, (B, channels, H, W) at the input's resolution."""

    channels: int


@dataclass(frozen=True)
class Pooled:
    """A vector: `channels` values for the whole image, (B, channels)."""

    channels: int


Output = Dense | Pooled


def predictions(task: str, outputs: Mapping[str, Given]) -> list[Given]:
    """A network's predictions for a task: its output and, in training, the initial predictions of some networks.

    >>> predictions("depth", {"depth": 1, "depth.0": 2, "scene": 3})
    [1, 2]
    """
    return [output for name, output in outputs.items() if name.partition(".")[0] == task]
