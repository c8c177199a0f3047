"""The fusion layers of a network: who meets in them, and who takes from whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from afanet.fusion.base import Fusion

Pair = tuple[int, int]  # to and from; tasks counted from 0 in the network's order


def fusion_layers(network: nn.Module) -> dict[str, Fusion]:
    """The layers at which tasks meet, by the name of the point that they follow; AFA's two halves count as one layer.

    >>> from afanet import AFA
    >>> list(fusion_layers(nn.ModuleDict({"fusion": nn.ModuleDict({"stem": AFA(4, 2, (3, 3))})})))
    ['stem']
    """
    layers: dict[str, Fusion] = {}
    inside: tuple[str, ...] = ()
    for name, module in network.named_modules():
        if isinstance(module, Fusion) and not name.startswith(inside):
            layers[name.removeprefix("fusion.")] = module
            inside = (*inside, f"{name}.")
    return layers


def connections(network: nn.Module) -> dict[str, list[Pair]]:
    """Who may take from whom at each fusion layer: pairs (to, from), tasks counted from 0 in the network's order.

    >>> from afanet import AFA
    >>> connections(nn.ModuleDict({"stem": AFA(4, 3, (3, 3), readers=[2])}))
    {'stem': [(2, 0), (2, 1)]}
    """
    return {
        name: [
            (to, source)
            for reader in layer.readers
            for to in [members_of(network, name, layer)[reader]]
            for source in members_of(network, name, layer)
            if source != to
        ]
        for name, layer in fusion_layers(network).items()
    }


def members_of(network: nn.Module, name: str, layer: Fusion) -> tuple[int, ...]:
    """The tasks that meet in a layer, counted from 0 in the network's order."""
    members: tuple[int, ...] = getattr(network, "members", {}).get(name, tuple(range(layer.tasks)))
    return members


def lacking(network: nn.Module) -> str:
    """Sentences on what cannot be shown because fusion layers do not define it; empty if they define everything.

    >>> from afanet import Fusion
    >>> class Mean(Fusion):
    ...     def fuse(self, xs):
    ...         return [sum(xs) / len(xs)] * len(xs)
    >>> print(lacking(nn.ModuleDict({"stem": Mean(4)})))
    Mean defines no gates: what each task takes from the others is not known. Mean defines no cut: its connections ...
    """
    layers = fusion_layers(network).values()
    flowless = kinds(layer for layer in layers if not layer.offers_flow)
    cutless = kinds(layer for layer in layers if not layer.offers_cut)
    sentences = [f"{kind} defines no gates: what each task takes from the others is not known." for kind in flowless]
    return " ".join(sentences + [f"{kind} defines no cut: its connections cannot be cut." for kind in cutless])


def kinds(layers: Iterable[Fusion]) -> list[str]:
    return list(dict.fromkeys(type(layer).__name__ for layer in layers))


def among_all(values: Tensor, layer: Fusion, members: Sequence[int], tasks: int) -> Tensor:
    """A layer's values (B, to, from, ...) among all tasks: a task that takes nothing there has 1 from itself."""
    if len(layer.readers) == tasks:
        return values
    every = torch.eye(tasks, dtype=values.dtype, device=values.device)
    every = every.reshape(1, tasks, tasks, *[1] * (values.dim() - 3)).repeat(len(values), 1, 1, *values.shape[3:])
    for reader in layer.readers:
        every[:, members[reader]] = 0
        every[:, members[reader], list(members)] = values[:, reader]
    return every
