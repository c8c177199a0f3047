"""Multi-modal distillation: every task adds gated features of all other tasks to its own."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from afanet.networks.decoders.decoder import Decoder
from afanet.networks.decoders.layers import Gated


def plant_distillation(decoder: Decoder, scale: str, width: int) -> None:
    """Plant a `Gated` for every pair of tasks at a scale, as ``TASK.takesSCALE.OTHER``."""
    for task in decoder.tasks:
        for other in decoder.tasks:
            if other != task:
                decoder.plant(f"{task}.takes{scale}.{other}", Gated(width))


def distilled(decoder: Decoder, scale: str, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each task's features (B, C, H, W) at a scale plus the gated features of all other tasks."""
    mixed = dict(features)
    for task in features:
        for other, x in features.items():
            if other != task:
                mixed[task] = mixed[task] + decoder.layer(f"{task}.takes{scale}.{other}")(x)
    return mixed
