"""How images were normalised when timm's weights were trained."""

from __future__ import annotations

import timm

from afanet.networks.backbones.timm_network import config_of
from afanet.normalisation import IMAGENET, Normalisation


def pretrained_normalisation(backbone: str) -> Normalisation:
    """The mean and the standard deviation of each channel that timm states for a backbone's weights.

    They are ImageNet's for a network that timm knows no weights of. Raises `InputError` for weights that timm does not
    know.

    >>> pretrained_normalisation("vit_small_patch16_224.augreg_in1k").mean
    (0.5, 0.5, 0.5)
    """
    config = config_of(backbone) if timm.is_model(backbone) else None
    if config is None:
        return IMAGENET
    return Normalisation(tuple(map(float, config.mean)), tuple(map(float, config.std)))
