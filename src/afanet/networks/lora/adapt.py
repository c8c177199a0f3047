"""Backbones with adapters that share their frozen tensors, and networks with the adapters merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import nn

from afanet.errors import InputError
from afanet.install import missing_package
from afanet.networks.backbones import Backbone
from afanet.networks.lora.layers import adaptable
from afanet.networks.lora.settings import WHERE, Adapters

Network = TypeVar("Network", bound=nn.Module)


def adapted(backbone: Backbone, adapters: Adapters, size: Sequence[int]) -> Callable[[], Backbone]:
    """A function that makes backbones with adapters; all of them share the frozen tensors of `backbone` itself.

    Each has its own adapters, or with `by` "shared" all have the same. `weights_report` gets one more line, with the
    number of adapted layers. Raises `InputError` if peft is missing, and for a backbone without layers to adapt.
    """
    backbone.requires_grad_(False)
    image, padding = torch.empty(1, backbone.in_chans, *size, device="meta"), backbone.padding()
    shape = image.shape if padding is None else padding(image).shape
    layers = adaptable(backbone, adapters.backbone, adapters.where, shape)
    try:
        from afanet.networks.lora.injected import inject
    except ModuleNotFoundError as error:
        raise InputError(f"network.lora needs peft: {missing_package(error.name or 'peft', 'lora')}") from None
    where = f"{len(layers.all)} layers of {adapters.backbone}, {WHERE[adapters.where]}"
    said = f"lora: rank {adapters.rank} on {where}; the rest is frozen"
    backbone.weights_report = "\n".join(filter(None, [backbone.weights_report, said]))
    if adapters.by == "shared":
        inject(backbone, layers, adapters.rank)
        return lambda: _twin(backbone)

    def own() -> Backbone:
        branch = _twin(backbone)
        inject(branch, layers, adapters.rank)
        return branch

    return own


def _twin(module: Network) -> Network:
    """A copy of `module` whose parameters and buffers are the same tensors, not copies."""
    memo: dict[int, Any] = {id(tensor): tensor for tensor in chain(module.parameters(), module.buffers())}
    return deepcopy(module, memo)


def has_adapters(network: nn.Module) -> bool:
    """Whether a network has adapted layers."""
    return any(is_adapted(module) for module in network.modules())


def is_adapted(module: nn.Module) -> bool:
    """Whether a layer is one of peft's, without importing peft."""
    return hasattr(module, "get_delta_weight") and hasattr(module, "base_layer")


def merged(network: Network) -> Network:
    """A copy of a network with every adapter merged into its layer: plain layers with the weight W + BA.

    Its outputs equal those of `network` up to rounding. Tasks with their own adapters no longer share the weights of
    adapted layers. A network without adapters is copied as it is.

    >>> from afanet import Pooled, create_network
    >>> network = create_network("hard", {"age": Pooled(8)}, "convnext_atto", size=(32, 32), lora={"where": "all"})
    >>> has_adapters(network), has_adapters(merged(network))
    (True, False)
    """
    network = deepcopy(network)
    plain: dict[nn.Module, nn.Module] = {}
    for path, module in list(network.named_modules(remove_duplicate=False)):
        if is_adapted(module):
            if module not in plain:
                layer: Any = module
                base = layer.base_layer
                weight = base.weight.detach() + layer.get_delta_weight("default").detach()
                base.weight = nn.Parameter(weight, requires_grad=False)  # a new tensor, since other tasks may share W
                plain[module] = base.train(module.training)
            parent, _, name = path.rpartition(".")
            network.get_submodule(parent).add_module(name, plain[module])
    return network
