"""The layouts that are recognised: one row for each family of networks; the first that fits a file is used.

Files of timm, and releases that timm's converters read, need no row.
"""

from __future__ import annotations

from afanet.networks.weights.layout import KeyLayout
from afanet.networks.weights.of_torchvision import TORCHVISION
from afanet.networks.weights.of_transformers import TRANSFORMERS

LAYOUTS = (
    *TORCHVISION,
    *TRANSFORMERS,
    KeyLayout(
        "DINOv2's chunks of blocks",
        r"patch_embed\.proj\.weight",
        r"\bblocks\.\d+\.\d+\.attn\.qkv\.weight$",
        ((r"^blocks\.\d+\.(\d+)\.", r"blocks.\1."),),
        of_imagenet=True,
    ),
)
