"""Vision networks of `transformers`, from configurations of tiny sizes."""

from __future__ import annotations

from typing import Any

import transformers
from torch import nn

from families import Family, numbered

PLAIN = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
VIT = {**PLAIN, "intermediate_size": 48}
DINO = {**PLAIN, "mlp_ratio": 2}
HIDDEN = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
HEADS = {"num_attention_heads": [1, 1, 2, 2]}
SWIN = {"image_size": 64, "embed_dim": 8, "depths": [1, 1, 2, 1], "num_heads": [1, 1, 2, 2], "window_size": 2}
RESNET = {"embedding_size": 8, **HIDDEN, "layer_type": "basic"}
STAGES = ["stage1", "stage2", "stage3", "stage4"]


def network(kind: str, config: str, **options: Any) -> nn.Module:
    """A network by the names of its class and of its configuration's."""
    made = getattr(transformers, kind)(getattr(transformers, f"{config}Config")(**options))
    assert isinstance(made, nn.Module)
    return made


def classifier(name: str, **options: Any) -> nn.Module:
    return network(f"{name}ForImageClassification", name, **options)


def config(name: str, **options: Any) -> Any:
    return getattr(transformers, f"{name}Config")(**options)


def dpt() -> nn.Module:
    depth = {"num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3]}
    return network("DPTForDepthEstimation", "DPT", **{**VIT, **depth}, neck_hidden_sizes=[8] * 4, fusion_hidden_size=8)


def depth_anything() -> nn.Module:
    sizes = {**DINO, "num_hidden_layers": 4, "image_size": 28, "patch_size": 14, "out_indices": [1, 2, 3, 4]}
    dino = config("Dinov2", **sizes, reshape_hidden_states=False, apply_layernorm=True)
    sizes = {"reassemble_hidden_size": 24, "neck_hidden_sizes": [8] * 4, "fusion_hidden_size": 8, "head_hidden_size": 8}
    return network("DepthAnythingForDepthEstimation", "DepthAnything", backbone_config=dino, patch_size=14, **sizes)


def upernet() -> nn.Module:
    convnext = config("ConvNext", **HIDDEN, out_features=STAGES)
    sizes = {"hidden_size": 16, "auxiliary_in_channels": 24, "auxiliary_channels": 8}
    return network("UperNetForSemanticSegmentation", "UperNet", backbone_config=convnext, **sizes)


def mask2former() -> nn.Module:
    swin = config("Swin", **SWIN, out_features=STAGES)
    sizes = {"feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32, "dim_feedforward": 32, "num_queries": 4}
    layers = {"encoder_feedforward_dim": 32, "num_attention_heads": 2, "encoder_layers": 1, "decoder_layers": 2}
    return network("Mask2FormerForUniversalSegmentation", "Mask2Former", backbone_config=swin, **sizes, **layers)


def detr() -> nn.Module:
    resnet = config("ResNet", **RESNET, out_features=["stage4"])
    layers = {f"{side}_{size}": 1 for side in ("encoder", "decoder") for size in ("layers", "attention_heads")}
    sizes = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "num_queries": 4}
    own = {"use_timm_backbone": False, "use_pretrained_backbone": False, "backbone": None, "backbone_config": resnet}
    return network("DetrForObjectDetection", "Detr", **own, **layers, **sizes)


def siglip() -> nn.Module:
    text = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    return classifier("Siglip", vision_config=VIT, text_config=text)


def plain(make: Any, layers: str, count: int = 2, size: int = 32) -> Family:
    """A transformer whose blocks all have one grid."""
    return Family(make, layers.format(count - 1), numbered(layers, count), size)


FAMILIES = {
    "ViT": plain(lambda: classifier("ViT", **VIT), "vit.layers.{}"),
    "DeiT": plain(lambda: classifier("DeiT", **VIT), "deit.layers.{}"),
    "BEiT": plain(lambda: classifier("Beit", **VIT, use_relative_position_bias=True), "beit.layers.{}"),
    "DINOv2": plain(lambda: classifier("Dinov2", **DINO), "dinov2.encoder.layer.{}"),
    "DINOv2 with registers": plain(
        lambda: classifier("Dinov2WithRegisters", **DINO), "dinov2_with_registers.encoder.layer.{}"
    ),
    "DINOv3 ViT": plain(lambda: network("DINOv3ViTModel", "DINOv3ViT", **VIT), "model.layer.{}"),
    "CLIP vision": plain(lambda: network("CLIPVisionModel", "CLIPVision", **VIT), "encoder.layers.{}"),
    "SigLIP vision": plain(lambda: network("SiglipVisionModel", "SiglipVision", **VIT), "encoder.layers.{}"),
    "SigLIP classifier": plain(siglip, "vision_model.encoder.layers.{}"),
    "ViTMAE": plain(lambda: network("ViTMAEModel", "ViTMAE", **VIT), "layers.{}"),
    "YOLOS": plain(
        lambda: network("YolosForObjectDetection", "Yolos", **{**VIT, "image_size": [32, 32]}, num_detection_tokens=4),
        "vit.encoder.layer.{}",
    ),
    "DPT": plain(dpt, "dpt.encoder.layer.{}", 4),
    "Depth Anything": plain(depth_anything, "backbone.encoder.layer.{}", 4, 56),
    "DINOv3 ConvNeXt": Family(
        lambda: network("DINOv3ConvNextModel", "DINOv3ConvNext", **HIDDEN),
        "model.stages.3.layers.0",
        numbered("model.stages.{}", 4),
    ),
    "ConvNeXt": Family(
        lambda: classifier("ConvNext", **HIDDEN),
        "convnext.encoder.stages.3.layers.0",
        numbered("convnext.encoder.stages.{}", 4),
    ),
    "ConvNeXtV2": Family(
        lambda: classifier("ConvNextV2", **HIDDEN),
        "convnextv2.encoder.stages.3.layers.0",
        numbered("convnextv2.encoder.stages.{}", 4),
    ),
    "ResNet": Family(
        lambda: classifier("ResNet", **RESNET),
        "resnet.encoder.stages.3.layers.0",
        numbered("resnet.encoder.stages.{}", 4),
    ),
    "RegNet": Family(
        lambda: classifier("RegNet", embedding_size=8, **HIDDEN, groups_width=8),
        "regnet.encoder.stages.3.layers.0",
        numbered("regnet.encoder.stages.{}", 4),
    ),
    "EfficientNet": Family(
        lambda: classifier(
            "EfficientNet", width_coefficient=0.25, depth_coefficient=0.25, hidden_dim=320, initializer_range=0.3
        ),
        "efficientnet.encoder.blocks.6",
        numbered("efficientnet.encoder.blocks.{}", 6),
    ),
    "MobileNetV2": Family(
        lambda: classifier("MobileNetV2", depth_multiplier=0.35),
        "mobilenet_v2.layer.15",
        tuple(f"mobilenet_v2.layer.{number}" for number in (1, 4, 11, 14)),
    ),
    "MobileViT": Family(
        lambda: classifier(
            "MobileViT",
            hidden_sizes=[16] * 3,
            neck_hidden_sizes=[8, 8, 8, 8, 8, 8, 16],
            num_attention_heads=2,
            num_hidden_layers=1,
        ),
        "mobilevit.encoder.layer.4",
        numbered("mobilevit.encoder.layer.{}", 4),
    ),
    "PoolFormer": Family(
        lambda: classifier("PoolFormer", **HIDDEN),
        "poolformer.encoder.block.3.0",
        numbered("poolformer.encoder.block.{}.0", 4),
    ),
    "FocalNet": Family(
        lambda: classifier("FocalNet", **HIDDEN, image_size=64, embed_dim=8),
        "focalnet.encoder.stages.3.layers.0",
        numbered("focalnet.encoder.stages.{}", 4),
    ),
    "Swin": Family(
        lambda: classifier("Swin", **SWIN), "swin.encoder.layers.3.blocks.0", numbered("swin.encoder.layers.{}", 4)
    ),
    "Swinv2": Family(
        lambda: classifier("Swinv2", **SWIN),
        "swinv2.encoder.layers.3.blocks.0",
        numbered("swinv2.encoder.layers.{}", 4),
    ),
    "Hiera": Family(
        lambda: classifier("Hiera", image_size=[64, 64], embed_dim=8, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 2]),
        "hiera.encoder.stages.3.layers.0",
        numbered("hiera.encoder.stages.{}", 4),
    ),
    "PVT": Family(
        lambda: classifier("Pvt", **HIDDEN, **HEADS, image_size=64),
        "pvt.encoder.block.3.0",
        numbered("pvt.encoder.block.{}.0", 4),
    ),
    "PVTv2": Family(
        lambda: classifier("PvtV2", **HIDDEN, **HEADS, image_size=64),
        "pvt_v2.encoder.layers.3.blocks.0",
        numbered("pvt_v2.encoder.layers.{}", 4),
    ),
    "LeViT": Family(
        lambda: classifier(
            "Levit",
            image_size=128,
            hidden_sizes=[16, 32, 48],
            num_attention_heads=[1, 2, 3],
            depths=[1] * 3,
            key_dim=[8] * 3,
        ),
        "levit.encoder.stages.2.layers.1",
        numbered("levit.encoder.stages.{}", 3),
        128,
    ),
    "CvT": Family(
        lambda: classifier("Cvt", embed_dim=[8, 16, 24], num_heads=[1, 1, 2], depth=[1, 2, 3]),
        "cvt.encoder.stages.2.layers.2",
        numbered("cvt.encoder.stages.{}", 3),
    ),
    "SegFormer": Family(
        lambda: network("SegformerForSemanticSegmentation", "Segformer", **HIDDEN, **HEADS, decoder_hidden_size=16),
        "segformer.stages.3.blocks.0",
        numbered("segformer.stages.{}", 4),
    ),
    "GLPN": Family(
        lambda: network("GLPNForDepthEstimation", "GLPN", **HIDDEN, **HEADS, decoder_hidden_size=16),
        "glpn.encoder.block.3.0",
        numbered("glpn.encoder.block.{}.0", 4),
    ),
    "UperNet": Family(upernet, "backbone.encoder.stages.3.layers.0", numbered("backbone.encoder.stages.{}", 4)),
    "Mask2Former's backbone": Family(
        mask2former,
        "model.pixel_level_module.encoder.swin.encoder.layers.3.blocks.0",
        numbered("model.pixel_level_module.encoder.swin.encoder.layers.{}", 4),
    ),
    "DETR": Family(
        detr, "model.backbone.model.encoder.stages.3.layers.0", numbered("model.backbone.model.encoder.stages.{}", 4)
    ),
    "SAM vision": plain(
        lambda: network(
            "SamVisionModel",
            "SamVision",
            **{**VIT, "image_size": 64},
            window_size=2,
            global_attn_indexes=[1],
            output_channels=8,
            mlp_dim=24,
        ),
        "vision_encoder.layers.{}",
        2,
        64,
    ),
}
