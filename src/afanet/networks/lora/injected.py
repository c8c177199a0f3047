"""The adapted layers, which are peft's; this module is imported only for networks with adapters."""

from __future__ import annotations

import re

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners import lora
from torch import Tensor, nn

from afanet.networks.lora.layers import Adaptable

ADAPTER = "default"  # peft's name for the one set of adapters in a layer


class ReadLinear(lora.Linear):
    """An adapted linear layer for networks that read the weight and never call the layer, such as BEiT's attention."""

    @property
    def weight(self) -> Tensor:
        """W + BA."""
        whole: Tensor = self.base_layer.weight + self.get_delta_weight(ADAPTER)
        return whole


def inject(backbone: nn.Module, layers: Adaptable, rank: int) -> None:
    """Replace each of the layers by one with an adapter; everything else in the backbone is frozen.

    An adapted layer `x` has its frozen weights under `x.base_layer`, and A and B under `x.lora_A` and `x.lora_B`.
    """
    names = "|".join(map(re.escape, layers.all))  # a pattern: a list would also match layers that end in these names
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=names), backbone)
    del backbone.peft_config
    for name in layers.read:
        backbone.get_submodule(name).__class__ = ReadLinear
