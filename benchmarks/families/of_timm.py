"""Networks of `timm`: families that symbolic tracing does not follow, and some that it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import timm
from torch import nn

from families import Family, numbered

SMALL = {"depth": 2, "embed_dim": 24, "num_heads": 2}


def make(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, num_classes=3, **options)


def plain(name: str, count: int = 2, blocks: str = "blocks.{}", **options: Any) -> Family:
    """A transformer whose blocks all have one grid, on images of 64 x 64."""
    return Family(make(name, **options), blocks.format(count - 1), numbered(blocks, count))


def staged(name: str, block: str, stages: str, count: int, size: int = 64, start: int = 0, **options: Any) -> Family:
    return Family(make(name, **options), block, numbered(stages, count, start), size)


SWIN = {"img_size": 64, "embed_dim": 16, "depths": (1, 1, 2, 1), "num_heads": (1, 1, 2, 2), "window_size": 2}
FAMILIES = {
    "ViT": plain("vit_tiny_patch16_224", img_size=64, **SMALL),
    "ViT, any size": plain("vit_tiny_patch16_224", img_size=64, dynamic_img_size=True, **SMALL),
    "DeiT, distilled": plain("deit_tiny_distilled_patch16_224", img_size=64, **SMALL),
    "DINOv2 with registers": plain("vit_small_patch14_reg4_dinov2", img_size=64, patch_size=16, **SMALL),
    "DINOv3": plain("vit_small_patch16_dinov3", img_size=64, **SMALL),
    "EVA-02": plain("eva02_tiny_patch14_224", img_size=64, patch_size=16, **SMALL),
    "BEiT": plain("beit_base_patch16_224", img_size=64, **SMALL),
    "SigLIP": plain("vit_base_patch16_siglip_224", img_size=64, **SMALL),
    "SAM": plain("samvit_base_patch16_224", img_size=64, **SMALL),
    "NaFlexViT": plain("naflexvit_base_patch16_gap", 12),
    "ConViT": plain("convit_tiny", img_size=64, depth=2, local_up_to_layer=1, embed_dim=6),
    "CaiT": plain("cait_xxs24_224", img_size=64, depth=2),
    "XCiT": plain("xcit_nano_12_p16_224", img_size=64, depth=2),
    "TNT": plain("tnt_s_legacy_patch16_224", img_size=64, depth=2),
    "Mixer": plain("mixer_s32_224", 8, img_size=64),
    "CrossViT": staged("crossvit_tiny_240", "blocks.2", "blocks.{}", 3, 240),
    "Hiera": Family(
        make("hiera_tiny_224", img_size=(64, 64)), "blocks.11", ("blocks.0", "blocks.2", "blocks.9", "blocks.11")
    ),
    "Hiera of SAM 2": Family(make("sam2_hiera_tiny"), "blocks.11", ("blocks.0", "blocks.2", "blocks.9", "blocks.11")),
    "LeViT": staged("levit_128s", "stages.2.blocks.3", "stages.{}", 3, 128, img_size=128),
    "PiT": staged("pit_ti_224", "transformers.2.blocks.3", "transformers.{}", 3, img_size=64),
    "MViTv2": staged("mvitv2_tiny", "stages.3.blocks.1", "stages.{}", 4, img_size=64),
    "PVTv2": staged("pvt_v2_b0", "stages.3.blocks.1", "stages.{}", 4),
    "Twins-PCPVT": staged("twins_pcpvt_small", "blocks.3.2", "blocks.{}.2", 4, img_size=64),
    "Twins-SVT": staged("twins_svt_small", "blocks.3.3", "blocks.{}.1", 4, img_size=64),
    "VOLO": Family(make("volo_d1_224", img_size=64), "network.4.1", ("network.0", "network.2", "network.3")),
    "CoaT": staged("coat_lite_tiny", "serial_blocks4.1", "serial_blocks{}.1", 4, start=1, img_size=64),
    "Swin": staged("swin_tiny_patch4_window7_224", "layers.3.blocks.0", "layers.{}", 4, **SWIN),
    "Swin v2": staged("swinv2_tiny_window8_256", "layers.3.blocks.0", "layers.{}", 4, **SWIN),
    "NesT": staged("nest_tiny", "levels.2.transformer_encoder.7", "levels.{}", 3, img_size=64),
    "GC ViT": staged("gcvit_xxtiny", "stages.3.blocks.1", "stages.{}", 4, img_size=64, window_size=(2, 2, 4, 2)),
    "MaxViT": staged("maxvit_tiny_tf_224", "stages.3.blocks.1", "stages.{}", 4, img_size=64),
    "FocalNet": staged("focalnet_tiny_srf", "layers.3.blocks.1", "layers.{}", 4),
    "DaViT": staged("davit_tiny", "stages.3.blocks.0", "stages.{}", 4),
    "EfficientFormer": staged("efficientformer_l1", "stages.3.blocks.4", "stages.{}", 4, 224),
    "EfficientFormerV2": staged("efficientformerv2_s0", "stages.3.blocks.3", "stages.{}", 4, img_size=64),
    "EfficientViT": staged("efficientvit_b0", "stages.3.blocks.2", "stages.{}", 4),
    "FastViT": staged("fastvit_t8", "stages.3.blocks.1", "stages.{}", 4),
    "MobileViTv2": staged("mobilevitv2_050", "stages.4.1", "stages.{}", 5),
    "TinyViT": staged("tiny_vit_5m_224", "stages.3.blocks.1", "stages.{}", 4),
    "Sequencer": staged("sequencer2d_s", "stages.3.blocks.2", "stages.{}", 4),
    "PoolFormer": staged("poolformer_s12", "stages.3.blocks.1", "stages.{}", 4),
    "CAFormer": staged("caformer_s18", "stages.3.blocks.2", "stages.{}", 4),
    "ConvNeXt": staged("convnext_atto", "stages.3.blocks.1", "stages.{}", 4),
    "ResNet": staged("resnet18", "layer4.1", "layer{}", 4, start=1),
    "HRNet": Family(make("hrnet_w18_small"), "stage4", ("stage2", "stage3")),
    "DLA": staged("dla34", "level5", "level{}", 6),
    "SelecSLS": Family(make("selecsls42b"), "features.5", ("features.1", "features.3", "features.5")),
    "VoVNet": staged("vovnet39a", "stages.3.blocks.1", "stages.{}", 4),
}
