"""What stands for a backbone of two or three stages, and decoders in float64 of which every number is random."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from afanet.networks.decoders.decoder import Decoder
from afanet.networks.heads.head import Stage
from afanet.networks.outputs import Dense

STAGES = [Stage(6, 4), Stage(8, 8), Stage(12, 16)]
SIZES = [(8, 12), (4, 6), (2, 3)]
TASKS = {"depth": Dense(1), "normals": Dense(3), "parts": Dense(5)}


@pytest.fixture(scope="session")
def decoder() -> Callable[..., Decoder]:
    """Makes a decoder in evaluation, in float64, of which every parameter and statistic is random."""

    def make(kind: Callable[..., Decoder], tasks: Mapping[str, Any] = TASKS) -> Decoder:
        torch.manual_seed(0)
        made = kind(SimpleNamespace(given=STAGES, in_chans=3), tasks, (32, 48)).double().eval()
        for tensor in [*made.parameters(), *(b for b in made.buffers() if b.is_floating_point())]:
            nn.init.uniform_(tensor, -0.3, 0.3)
        for norm in made.modules():
            if isinstance(norm, nn.BatchNorm2d):
                nn.init.uniform_(norm.running_var, 0.5, 2)
        return made

    return make


@pytest.fixture
def maps() -> list[Tensor]:
    """Random features of each stage, (2, C, h, w)."""
    rng = torch.Generator().manual_seed(1)
    pairs: list[tuple[Stage, Sequence[int]]] = list(zip(STAGES, SIZES, strict=True))
    return [torch.randn(2, stage.channels, *size, generator=rng, dtype=torch.float64) for stage, size in pairs]
