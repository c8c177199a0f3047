"""All architectures of `segmentation_models_pytorch`, on a ResNet-18; its DPT takes plain transformers alone."""

from __future__ import annotations

import segmentation_models_pytorch as smp
from torch import nn

from families import Family, numbered

STAGES = numbered("encoder.layer{}", 4, 1)
CHAINS = [
    "Unet",
    "UnetPlusPlus",
    "MAnet",
    "Linknet",
    "FPN",
    "PSPNet",
    "DeepLabV3",
    "DeepLabV3Plus",
    "PAN",
    "UPerNet",
    "Segformer",
]


def make(name: str) -> nn.Module:
    network = getattr(smp, name)("resnet18", encoder_weights=None, classes=3)
    assert isinstance(network, nn.Module)
    return network


def dpt() -> nn.Module:
    encoder = {"encoder_depth": 4, "encoder_output_indices": [2, 5, 8, 11], "decoder_fusion_channels": 16}
    network = smp.DPT("tu-vit_tiny_patch16_224", encoder_weights=None, classes=3, **encoder)
    assert isinstance(network, nn.Module)
    return network


def on_resnet(name: str) -> Family:
    # PSPNet's encoder ends after its third stage
    stages = STAGES[:2] if name == "PSPNet" else STAGES
    return Family(lambda: make(name), f"{stages[-1]}.1", stages, 128 if name == "PAN" else 64)


FAMILIES = {name: on_resnet(name) for name in CHAINS} | {
    "DPT": Family(
        dpt, "encoder.model.blocks.11", tuple(f"encoder.model.blocks.{number}" for number in (2, 5, 8, 11)), 224
    )
}
