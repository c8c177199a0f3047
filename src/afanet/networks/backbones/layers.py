"""The names of the layers after which branches may meet: blocks, and the last layer of each stage."""

from __future__ import annotations

from timm.models.regnet import RegStage
from torch import nn


def block_names(network: nn.Module, stage: str) -> list[str]:
    """The names of a stage's blocks in order; the stage's own name if it is not a chain of blocks."""
    module = network.get_submodule(stage)
    if isinstance(module, nn.Sequential | RegStage):
        return [f"{stage}.{name}" for name, _ in module.named_children()]
    blocks = getattr(module, "blocks", None)
    if isinstance(blocks, nn.Sequential):
        return [f"{stage}.blocks.{name}" for name, _ in blocks.named_children()]
    return [stage]


def layer_named(network: nn.Module, name: str) -> str:
    """The layer behind the feature that timm calls `name`: for some networks timm's `block.N` is a stage or a list.

    >>> network = nn.Module()
    >>> network.blocks = nn.ModuleList(nn.Sequential(nn.Identity(), nn.Identity()) for _ in range(2))
    >>> layer_named(network, "block.1"), layer_named(network, "stem")
    ('blocks.1.1', 'stem')
    """
    known = dict(network.named_modules())
    start, _, number = name.rpartition(".")
    if name in known or start != "block":
        return name
    stage = f"stages.{number}" if f"stages.{number}" in known else f"blocks.{number}"
    inner = known.get(stage, network)
    return f"{stage}.{len(list(inner.children())) - 1}" if stage.startswith("blocks") else stage


def names_between(network: nn.Module, before: str | None, layer: str) -> list[str]:
    """The blocks after the layer `before` up to `layer`, which is one block of a list, or a stage.

    >>> network = nn.Module()
    >>> network.blocks = nn.ModuleList(nn.Identity() for _ in range(6))
    >>> names_between(network, "blocks.2", "blocks.5")
    ['blocks.3', 'blocks.4', 'blocks.5']
    """
    parent, _, number = layer.rpartition(".")
    first, _, before_number = (before or f"{parent}.-1").rpartition(".")
    if parent.rpartition(".")[2] != "blocks" or first != parent:
        return block_names(network, layer)
    return [f"{parent}.{i}" for i in range(int(before_number) + 1, int(number) + 1)]
