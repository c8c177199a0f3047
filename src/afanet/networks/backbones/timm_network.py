"""Builds networks from timm, and turns its errors into one sentence."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import timm
from timm.models.efficientnet import EfficientNetFeatures
from timm.models.mobilenetv3 import MobileNetV3Features

from afanet.errors import InputError, unknown
from afanet.networks.download import downloading, is_reachable, server

# Some of timm's networks, for messages that cannot name them all.
WELL_KNOWN = (
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "mobilenetv3_large_100",
    "efficientnet_b0",
    "regnety_016",
    "convnext_tiny",
    "swin_tiny_patch4_window7_224",
    "hrnet_w18",
    "vit_small_patch14_dinov2",
)
# The errors that timm raises for options that a network does not have.
REFUSALS = (TypeError, ValueError, NotImplementedError, AssertionError, RuntimeError, KeyError, AttributeError)


def config_of(name: str) -> Any:
    """timm's configuration for a network's pretrained weights.

    Raises:
        InputError: for a network or weights that timm does not know.
    """
    if not timm.is_model(name):
        raise unknown("backbone", name, timm.list_models(), WELL_KNOWN)
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError:
        architecture = name.partition(".")[0]
        known = ", ".join(timm.list_pretrained(f"{architecture}.*")) or "none"
        raise InputError(
            f"backbone '{name}' has weights that timm does not know, expected {architecture} alone or one of: {known}"
        ) from None


def build(name: str, pretrained: bool = False, **options: Any) -> Any:
    """The network with these options of timm; raises one of `REFUSALS` if it does not have them.

    Raises:
        InputError: for weights that timm does not have, or that cannot be downloaded.
    """
    config = timm.get_pretrained_cfg(name) if pretrained else None
    if pretrained and not (config and config.has_weights):
        raise InputError(f"timm has no pretrained weights of '{name}': give a local file as weights, or none")
    try:
        with downloading() if pretrained else nullcontext():
            return timm.create_model(name, pretrained=pretrained, **options)
    except (OSError, ConnectionError) as error:
        reason = type(error).__name__ if is_reachable() else f"no network: {server()} is not known here"
        raise InputError(
            f"the pretrained weights of '{name}' could not be loaded ({reason}): give a local file as weights, or none"
        ) from error


def build_stages(name: str, pretrained: bool = False, **options: Any) -> Any:
    """Like `build`, but the network gives the features of its stages."""
    features = build(name, pretrained, features_only=True, **options)
    if isinstance(features, EfficientNetFeatures | MobileNetV3Features):
        # these families return a network of their own, unless these options split it into stages
        options["feature_cfg"] = {"feature_cls": "list", "flatten_sequential": True}
        features = build(name, pretrained, features_only=True, **options)
    return features
