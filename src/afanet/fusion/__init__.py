"""Layers that let the branches of several tasks exchange features: N tensors of one shape in, N out."""

from afanet.fusion.afa import AFA
from afanet.fusion.base import Fusion
from afanet.fusion.channel import ChannelAggregation
from afanet.fusion.cross_stitch import CrossStitch
from afanet.fusion.guard import GradientGuard
from afanet.fusion.inspect import cut_connection, flow, record_flow, record_gates, record_hidden
from afanet.fusion.nddr import NDDR
from afanet.fusion.replace import replace_gates
from afanet.fusion.sluice import Sluice
from afanet.fusion.spatial import SpatialAggregation

__all__ = [
    "AFA",
    "NDDR",
    "ChannelAggregation",
    "CrossStitch",
    "Fusion",
    "GradientGuard",
    "Sluice",
    "SpatialAggregation",
    "cut_connection",
    "flow",
    "record_flow",
    "record_gates",
    "record_hidden",
    "replace_gates",
]
