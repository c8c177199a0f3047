"""Weave single-task vision networks into one multi-task network."""

from afanet.errors import InputError
from afanet.fusion import (
    AFA,
    NDDR,
    ChannelAggregation,
    CrossStitch,
    GradientGuard,
    SpatialAggregation,
    cut_connection,
    flow,
    record_gates,
)
from afanet.networks import Dense, Layout, Point, Pooled, create_network, weave
from afanet.reference import load_reference_layer, load_reference_network

__version__ = "0.1.0"

__all__ = [
    "AFA",
    "NDDR",
    "ChannelAggregation",
    "CrossStitch",
    "Dense",
    "GradientGuard",
    "InputError",
    "Layout",
    "Point",
    "Pooled",
    "SpatialAggregation",
    "create_network",
    "cut_connection",
    "flow",
    "load_reference_layer",
    "load_reference_network",
    "record_gates",
    "weave",
]
