"""How torchvision names the tensors of its networks, for those that neither timm nor its converters read."""

from __future__ import annotations

from afanet.networks.weights.layout import KeyLayout


def _counted(kind: str, first: int, to: str, step: int = 0) -> tuple[tuple[str, str], ...]:
    """Rules for torchvision's ``features.N``: every second one, from `first`, is a stage or the layer before it."""
    return tuple(
        (rf"^features\.{first + 2 * stage}\.{kind}", to.replace("STAGE", str(stage + step))) for stage in range(4)
    )


TORCHVISION = (
    KeyLayout(
        "torchvision's ViT",
        r"conv_proj\.weight",
        r"encoder\.layers\.encoder_layer_0\.",
        (
            (r"^conv_proj\.", "patch_embed.proj."),
            (r"^class_token$", "cls_token"),
            (r"^encoder\.pos_embedding$", "pos_embed"),
            (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
            (r"\.ln_([12])\.", r".norm\1."),
            (r"\.self_attention\.in_proj_", ".attn.qkv."),
            (r"\.self_attention\.out_proj\.", ".attn.proj."),
            (r"\.mlp\.(?:0|linear_1)\.", ".mlp.fc1."),
            (r"\.mlp\.(?:3|linear_2)\.", ".mlp.fc2."),
            (r"^encoder\.ln\.", "norm."),
            (r"^heads\.head\.", "head."),
        ),
        of_imagenet=True,
    ),
    KeyLayout(
        "torchvision's Swin",
        r"features\.0\.0\.weight",
        r"features\.1\.0\.attn\.relative_position_bias_table$",
        (
            (r"^features\.0\.0\.", "patch_embed.proj."),
            (r"^features\.0\.2\.", "patch_embed.norm."),
            *_counted(r"(\d+)\.", 1, r"layers.STAGE.blocks.\1."),
            *_counted(r"(norm|reduction)\.", 2, r"layers.STAGE.downsample.\1.", step=1),
            (r"\.mlp\.0\.", ".mlp.fc1."),
            (r"\.mlp\.3\.", ".mlp.fc2."),
            (r"^head\.", "head.fc."),
        ),
        of_imagenet=True,
    ),
    KeyLayout(
        "torchvision's ConvNeXt",
        r"features\.0\.0\.weight",
        r"features\.1\.0\.layer_scale$",
        (
            (r"^features\.0\.([01])\.", r"stem.\1."),
            *_counted(r"(\d+)\.(block|layer_scale)", 1, r"stages.STAGE.blocks.\1.\2"),
            *_counted(r"([01])\.", 2, r"stages.STAGE.downsample.\1.", step=1),
            (r"\.block\.0\.", ".conv_dw."),
            (r"\.block\.2\.", ".norm."),
            (r"\.block\.3\.", ".mlp.fc1."),
            (r"\.block\.5\.", ".mlp.fc2."),
            (r"\.layer_scale$", ".gamma"),
            (r"^classifier\.0\.", "head.norm."),
            (r"^classifier\.2\.", "head.fc."),
        ),
        of_imagenet=True,
    ),
    KeyLayout(  # not only ImageNet's numbers: EfficientNetV2-L takes 0.5
        "torchvision's EfficientNet or MobileNet",
        r"features\.0\.0\.weight",
        r"features\.1\.(?:(?:\d+\.)?block\.\d\.\d|conv\.\d)\.",
        in_order=True,
    ),
)
