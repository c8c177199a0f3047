"""Backbones: any timm network that gives features of its stages or blocks, for images of any size that it takes."""

from afanet.networks.backbones.backbone import Backbone
from afanet.networks.backbones.padding import Padding
from afanet.networks.backbones.timm_network import WELL_KNOWN

__all__ = ["WELL_KNOWN", "Backbone", "Padding"]
