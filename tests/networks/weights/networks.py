"""Networks of others in small, with random weights, and the timm networks that should compute the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

SIZE = 64
LABELS = 7


@dataclass(frozen=True)
class Case:
    """A network of others, and one of timm that takes its weights.

    Attributes:
        theirs: builds the other network.
        ours: name of the timm model.
        options: that make the timm model as small.
        answer: what the other network computes for images, to be compared with what timm's does before its classifier.
        answered: what timm's network computes.
    """

    theirs: Callable[[], nn.Module]
    ours: str
    options: dict[str, Any]
    answer: Callable[[Any, Tensor], Tensor]
    answered: Callable[[Any, Tensor], Tensor] = field(default=lambda network, image: network.forward_features(image))

    def ours_built(self) -> nn.Module:
        return timm.create_model(self.ours, **self.options).eval()


@torch.no_grad()
def randomised(network: nn.Module) -> nn.Module:
    """The network in eval mode with other weights, biases and statistics than any network begins with."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            scale = tensor.dim() == 1 and name.endswith(("weight", "running_var", "gamma", "lambda1"))
            tensor.copy_((1 + 0.2 * noise).abs() if scale else 0.1 * noise)
    return network.eval()


def torchvision(build: Callable[[Any], nn.Module], ours: str, **options: Any) -> Case:
    """A case whose two classifiers are compared too."""
    return Case(
        lambda: build(pytest.importorskip("torchvision").models),
        ours,
        {"num_classes": LABELS, **options},
        lambda network, image: network(image),
        lambda network, image: network(image),
    )


def in_order(build: str, ours: str, last: str = "forward_features", **options: Any) -> Case:
    """A case of torchvision whose classifier is no part of what is loaded."""
    return Case(
        lambda: getattr(pytest.importorskip("torchvision").models, build)(),
        ours,
        options,
        lambda network, image: network.features(image),
        lambda network, image: (
            network.forward_features(image) if last == "forward_features" else network.blocks(_stem(network, image))
        ),
    )


def _stem(network: Any, image: Tensor) -> Tensor:
    stem: Tensor = network.bn1(network.conv_stem(image))
    return stem


def transformers(kind: str, ours: str, config: dict[str, Any], **options: Any) -> Case:
    """A case of transformers, by the name of its class before ``Model``, ``Config`` or ``ForImageClassification``."""

    def theirs() -> nn.Module:
        package = pytest.importorskip("transformers")
        built: nn.Module = getattr(package, f"{kind}Model")(getattr(package, f"{kind}Config")(**config))
        return built

    return Case(theirs, ours, {"num_classes": 0, **options}, _last_state)


def _last_state(network: Any, image: Tensor) -> Tensor:
    states: Tensor = network(image).last_hidden_state
    norm = getattr(network, "post_layernorm", None)
    return states if norm is None or "Siglip" in type(network).__name__ else norm(states)


VIT: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIZE,
    "patch_size": 16,
}
VIT |= {"layer_norm_eps": 1e-6}
DINOV3 = VIT | {"layer_norm_eps": 1e-5, "num_register_tokens": 4, "intermediate_size": 128}
MLP = {"intermediate_size": 128}
SMALL = {"embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": SIZE}
SWIN = {"img_size": SIZE, "embed_dim": 16, "depths": (1, 2), "num_heads": (2, 2), "window_size": 4}
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 2, 1, 1]}
CONVNEXT = {"dims": (8, 16, 24, 32), "depths": (1, 2, 1, 1)}


def _small_convnext(models: Any) -> nn.Module:
    config = models.convnext.CNBlockConfig
    sizes = [config(8, 16, 1), config(16, 24, 2), config(24, 32, 1), config(32, None, 1)]
    network: nn.Module = models.ConvNeXt(sizes, num_classes=LABELS)
    return network


CASES = {
    "torchvision, ResNet": torchvision(lambda models: models.resnet18(num_classes=LABELS), "resnet18"),
    "torchvision, DenseNet": torchvision(lambda models: models.densenet121(num_classes=LABELS), "densenet121"),
    "torchvision, RegNet": torchvision(lambda models: models.regnet_y_400mf(num_classes=LABELS), "regnety_004"),
    "torchvision, ViT": torchvision(
        lambda models: models.VisionTransformer(SIZE, 16, 2, 2, 32, 128, num_classes=LABELS),
        "vit_tiny_patch16_224",
        **SMALL,
    ),
    "torchvision, Swin": torchvision(
        lambda models: models.SwinTransformer([4, 4], 16, [1, 2], [2, 2], [4, 4], num_classes=LABELS),
        "swin_tiny_patch4_window7_224",
        **SWIN,
    ),
    "torchvision, ConvNeXt": torchvision(_small_convnext, "convnext_tiny", **CONVNEXT),
    "torchvision, ConvNeXt as convolutions": torchvision(_small_convnext, "convnext_tiny", conv_mlp=True, **CONVNEXT),
    "torchvision, EfficientNet": in_order("efficientnet_b0", "efficientnet_b0"),
    "torchvision, MobileNetV2": in_order("mobilenet_v2", "mobilenetv2_100"),
    # torchvision's norms add 1e-3 to variances, timm's 1e-5: with timm's defaults outputs differ
    "torchvision, MobileNetV3": in_order("mobilenet_v3_small", "mobilenetv3_small_100", "blocks", bn_eps=1e-3),
    "transformers, ViT": transformers("ViT", "vit_tiny_patch16_224", VIT | MLP, **SMALL),
    "transformers, DeiT": transformers("DeiT", "deit_tiny_distilled_patch16_224", VIT | MLP, **SMALL),
    "transformers, CLIP": transformers(
        "CLIPVision", "vit_base_patch16_clip_quickgelu_224", VIT | MLP | {"layer_norm_eps": 1e-5}, **SMALL
    ),
    "transformers, SigLIP": transformers(
        "SiglipVision", "vit_base_patch16_siglip_224", VIT | MLP | {"hidden_act": "gelu"}, **SMALL
    ),
    "transformers, DINOv2": transformers("Dinov2", "vit_small_patch14_dinov2", VIT, patch_size=16, **SMALL),
    "transformers, DINOv2 with gates": transformers(
        "Dinov2",
        "vit_giant_patch14_dinov2",
        VIT | {"use_swiglu_ffn": True},
        patch_size=16,
        mlp_ratio=5.5,
        **SMALL,
    ),
    "transformers, DINOv2 with registers": transformers(
        "Dinov2WithRegisters", "vit_small_patch14_reg4_dinov2", VIT, patch_size=16, **SMALL
    ),
    "transformers, DINOv3": transformers("DINOv3ViT", "vit_small_patch16_dinov3_qkvb", DINOV3, **SMALL),
    "transformers, DINOv3 without biases": transformers(
        "DINOv3ViT", "vit_small_patch16_dinov3", DINOV3 | {"query_bias": False, "value_bias": False}, **SMALL
    ),
    "transformers, DINOv3 with gates": transformers(
        "DINOv3ViT",
        "vit_huge_plus_patch16_dinov3_qkvb",
        DINOV3 | {"use_gated_mlp": True, "hidden_act": "silu"},
        **SMALL,
    ),
    "transformers, Swin": transformers(
        "Swin",
        "swin_tiny_patch4_window7_224",
        {"image_size": SIZE, "embed_dim": 16, "depths": [1, 2], "num_heads": [2, 2], "window_size": 4},
        **SWIN,
    ),
    "transformers, ConvNeXt": transformers("ConvNext", "convnext_tiny", STAGES, **CONVNEXT),
    "transformers, ConvNeXt as convolutions": transformers("ConvNext", "convnext_atto", STAGES, **CONVNEXT),
    "transformers, ConvNeXt V2": transformers("ConvNextV2", "convnextv2_atto", STAGES, **CONVNEXT),
    "transformers, ResNet": transformers(
        "ResNet",
        "resnet50",
        {"depths": [1, 2, 1, 1], "hidden_sizes": [256, 512, 1024, 2048]},
        layers=(1, 2, 1, 1),
    ),
    "transformers, ResNet of basic blocks": transformers(
        "ResNet",
        "resnet18",
        {"depths": [1, 2, 1, 1], "hidden_sizes": [64, 128, 256, 512], "layer_type": "basic"},
        layers=(1, 2, 1, 1),
    ),
}
