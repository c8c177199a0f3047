"""How images were normalised when weights (timm's or a file's) were trained."""

from __future__ import annotations

import timm

from afanet.networks.backbones.timm_network import config_of
from afanet.networks.weights.images import stated
from afanet.networks.weights.source import locate
from afanet.networks.weights.spelling import WORDS
from afanet.normalisation import IMAGENET, Normalisation


def pretrained_normalisation(backbone: str) -> Normalisation:
    """The mean and the standard deviation of each channel that timm states for a backbone's weights.

    For a network without weights in timm, they are ImageNet's. Raises `InputError` for weights that timm does not know.

    >>> pretrained_normalisation("vit_small_patch16_224.augreg_in1k").mean
    (0.5, 0.5, 0.5)
    """
    config = config_of(backbone) if timm.is_model(backbone) else None
    if config is None:
        return IMAGENET
    return Normalisation(tuple(map(float, config.mean)), tuple(map(float, config.std)))


def normalisation_of_weights(backbone: str, weights: str) -> tuple[Normalisation, str]:
    """The mean and the standard deviation of each channel with which weights were trained, and the source of these.

    If the weights do not state them, they are those that timm states for the backbone.

    Args:
        backbone: a timm model.
        weights: none, pretrained, a file, ``local-dir:FOLDER`` or ``hf-hub:ORG/NAME``.

    Raises:
        InputError: for weights that are missing or cannot be read.
    """
    of_timm = pretrained_normalisation(backbone)
    known = None if weights in WORDS else stated(locate(weights), of_timm)
    if known:
        return known
    return of_timm, f"timm's {backbone}: give network.mean and network.std if these weights were trained with others"
