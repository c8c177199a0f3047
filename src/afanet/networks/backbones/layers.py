"""The names of a network's layers that branches may meet after: blocks, and the last of each stage."""

from __future__ import annotations

from timm.models.regnet import RegStage
from torch import nn


def block_names(network: nn.Module, stage: str) -> list[str]:
    """The names of a stage's blocks in order; the stage's own name where it is not a chain of blocks."""
    module = network.get_submodule(stage)
    if isinstance(module, nn.Sequential | RegStage):
        return [f"{stage}.{name}" for name, _ in module.named_children()]
    blocks = getattr(module, "blocks", None)
    if isinstance(blocks, nn.Sequential):
        return [f"{stage}.blocks.{name}" for name, _ in blocks.named_children()]
    return [stage]


def names_between(network: nn.Module, before: str | None, layer: str) -> list[str]:
    """The blocks after the layer `before` up to `layer`, which is one block of a list, or a stage.

    >>> network = nn.Module()
    >>> network.blocks = nn.ModuleList(nn.Identity() for _ in range(6))
    >>> names_between(network, "blocks.2", "blocks.5")
    ['blocks.3', 'blocks.4', 'blocks.5']
    """
    parent, _, number = layer.rpartition(".")
    if parent.rpartition(".")[2] not in ("blocks", "layers") or not isinstance(
        network.get_submodule(parent), nn.Module
    ):
        return block_names(network, layer)
    first = 0 if before is None else int(before.rpartition(".")[2]) + 1
    return [f"{parent}.{i}" for i in range(first, int(number) + 1)]
