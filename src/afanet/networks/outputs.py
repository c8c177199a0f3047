"""The output that a task needs from a network: a map as large as the image, or one vector for the whole image."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dense:
    """A map: `channels` values for every pixel, (B, channels, H, W) at the input's resolution."""

    channels: int


@dataclass(frozen=True)
class Pooled:
    """A vector: `channels` values for the whole image, (B, channels)."""

    channels: int


Output = Dense | Pooled
