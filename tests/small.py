"""A network small enough to train in a moment, in place of the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from afanet.networks.outputs import Dense, Output
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe


class TinyBranch(nn.Module):
    """Two layers under the names that real branches have."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self.output = output
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Conv2d(4, output.channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(images))
        return logits if isinstance(self.output, Dense) else logits.mean((2, 3))


class TinyNetwork(nn.Module):
    """Branches side by side, with something to learn between them that they do not use."""

    weights_report = ""
    members: ClassVar[dict[str, tuple[int, ...]]] = {}

    def __init__(self, outputs: dict[str, Output]) -> None:
        super().__init__()
        self.branches = nn.ModuleDict({name: TinyBranch(output) for name, output in outputs.items()})
        self.fusion = nn.ParameterDict({"meet": nn.Parameter(torch.zeros(2, 2))})

    def forward(self, images: Tensor, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        mix = 1 + 0 * self.fusion["meet"].sum()
        wanted = tasks or list(self.branches)
        return {name: branch(images) * mix for name, branch in self.branches.items() if name in wanted}


def make_small(**overrides: Any) -> Recipe:
    """The recipe `rooms`, made small: 10 training and 7 test scenes, so that batches of 4 fit neither."""
    sizes = {
        "data.size": [24, 32],
        "data.options.train_scenes": 10,
        "data.options.test_scenes": 7,
        "epochs": 2,
        "batch_size": 4,
        "workers": 0,
        "device": "cpu",
        "precision": "float32",
    }
    return load_recipe("rooms", sizes | overrides)
