"""Classification and segmentation networks of `torchvision`, the smallest of each family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torchvision
from torch import nn

from families import Family, numbered


def make(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, weights=None, **options)


def dense(name: str, **options: Any) -> Callable[[], nn.Module]:
    return make(name, weights_backbone=None, num_classes=3, **options)


def vit() -> nn.Module:
    return torchvision.models.VisionTransformer(32, 8, 2, 2, 24, 48)


def swin(version: int) -> nn.Module:
    module = torchvision.models.swin_transformer
    block = module.SwinTransformerBlockV2 if version == 2 else module.SwinTransformerBlock
    merge = module.PatchMergingV2 if version == 2 else module.PatchMerging
    sizes = ([4, 4], 8, [1, 1, 2, 1], [1, 1, 2, 2], [2, 2])
    return module.SwinTransformer(*sizes, stochastic_depth_prob=0.0, block=block, downsample_layer=merge)


def maxvit() -> nn.Module:
    return torchvision.models.MaxVit((64, 64), 8, 2, [8, 16, 24, 32], [1, 1, 1, 1], 8, 0.0)


RESNET = numbered("layer{}", 4, 1)
FAMILIES = {
    "AlexNet": Family(make("alexnet"), "features.11", ("features.4", "features.9")),
    "VGG": Family(make("vgg11"), "features.19", ("features.4", "features.9", "features.14")),
    "GoogLeNet": Family(
        make("googlenet", init_weights=False), "inception5b", ("inception3b", "inception4e", "inception5b"), 96
    ),
    "Inception v3": Family(
        make("inception_v3", init_weights=False), "Mixed_7c", ("Mixed_5d", "Mixed_6e", "Mixed_7c"), 299
    ),
    "ResNet": Family(make("resnet18"), "layer4.1", RESNET),
    "ResNeXt": Family(make("resnext50_32x4d"), "layer4.2", RESNET),
    "Wide ResNet": Family(make("wide_resnet50_2"), "layer4.2", RESNET),
    "RegNet": Family(make("regnet_y_400mf"), "trunk_output.block4.block4-5", numbered("trunk_output.block{}", 4, 1)),
    "DenseNet": Family(
        make("densenet121"), "features.denseblock4.denselayer16", numbered("features.denseblock{}", 4, 1)
    ),
    "SqueezeNet": Family(make("squeezenet1_1"), "features.12", ("features.4", "features.7", "features.12")),
    "ShuffleNetV2": Family(make("shufflenet_v2_x0_5"), "stage4.3", numbered("stage{}", 3, 2)),
    "MNASNet": Family(make("mnasnet0_5"), "layers.13.0", numbered("layers.{}", 6, 8)),
    "MobileNetV2": Family(
        make("mobilenet_v2"), "features.17", tuple(f"features.{number}" for number in (3, 6, 13, 17))
    ),
    "MobileNetV3": Family(
        make("mobilenet_v3_small"), "features.11", tuple(f"features.{number}" for number in (1, 3, 8, 11))
    ),
    "EfficientNet": Family(make("efficientnet_b0"), "features.7.0", numbered("features.{}", 7, 1)),
    "ConvNeXt": Family(make("convnext_tiny"), "features.7.2", tuple(f"features.{number}" for number in (1, 3, 5, 7))),
    "Swin": Family(lambda: swin(1), "features.7.0", tuple(f"features.{number}" for number in (1, 3, 5, 7))),
    "Swin v2": Family(lambda: swin(2), "features.7.0", tuple(f"features.{number}" for number in (1, 3, 5, 7))),
    "MaxViT": Family(maxvit, "blocks.3.layers.0", numbered("blocks.{}", 4)),
    "ViT": Family(vit, "encoder.layers.encoder_layer_1", numbered("encoder.layers.encoder_layer_{}", 2), 32),
    "FCN": Family(dense("fcn_resnet50"), "backbone.layer4.2", numbered("backbone.layer{}", 4, 1)),
    "DeepLabv3, ResNet": Family(dense("deeplabv3_resnet50"), "backbone.layer4.2", numbered("backbone.layer{}", 4, 1)),
    "DeepLabv3, MobileNetV3": Family(
        dense("deeplabv3_mobilenet_v3_large"), "backbone.15", tuple(f"backbone.{number}" for number in (3, 6, 12, 15))
    ),
    "LR-ASPP": Family(
        dense("lraspp_mobilenet_v3_large"), "backbone.15", tuple(f"backbone.{number}" for number in (3, 6, 12, 15))
    ),
}
