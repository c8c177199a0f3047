"""The adapted layers themselves, which are peft's; imported only where a network has adapters."""

from __future__ import annotations

import re

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners import lora
from torch import Tensor, nn

from afanet.networks.lora.layers import Adaptable

ADAPTER = "default"  # peft's name for the one set of adapters in a layer


class ReadLinear(lora.Linear):
    """An adapted linear layer for networks that read its weight and never call it, as BEiT's attention does."""

    @property
    def weight(self) -> Tensor:
        """W + BA."""
        whole: Tensor = self.base_layer.weight + self.get_delta_weight(ADAPTER)
        return whole


def inject(backbone: nn.Module, layers: Adaptable, rank: int) -> None:
    """Put an adapter on each of the layers, in place of the layer; everything else in the backbone is frozen.

    A trained layer `x` has its own weights under `x.base_layer`, and A and B under `x.lora_A` and `x.lora_B`.
    """
    names = "|".join(map(re.escape, layers.all))  # a list would match other layers that end in these names
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=names), backbone)
    del backbone.peft_config
    for name in layers.read:
        backbone.get_submodule(name).__class__ = ReadLinear
