"""The layouts that are recognised: a row for each family of networks, the first that fits a file is taken.

Files of timm, and those releases that timm's converters read, need no row.
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
