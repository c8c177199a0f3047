"""Weave single-task vision networks into one multi-task network."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from afanet.errors import InputError
from afanet.moved import MovedModules

if TYPE_CHECKING:
    from afanet.data import register_data
    from afanet.fusion import (
        AFA,
        NDDR,
        ChannelAggregation,
        CrossStitch,
        Fusion,
        GradientGuard,
        SpatialAggregation,
        cut_connection,
        flow,
        record_flow,
        record_gates,
        record_hidden,
        replace_gates,
    )
    from afanet.inference import Predictor
    from afanet.inference.load import load
    from afanet.networks import (
        Dense,
        Head,
        Layout,
        Point,
        Pooled,
        create_network,
        register_head,
        register_method,
        weave,
    )
    from afanet.outside import trust_code
    from afanet.reference import load_reference_layer, load_reference_network
    from afanet.runs.run import Run, load_run
    from afanet.tasks.kinds import register_task
    from afanet.training.balancing.balancer import Balancer
    from afanet.training.balancing.shared import shared_parameters

__version__ = "0.1.0"

__all__ = [
    "AFA",
    "NDDR",
    "Balancer",
    "ChannelAggregation",
    "CrossStitch",
    "Dense",
    "Fusion",
    "GradientGuard",
    "Head",
    "InputError",
    "Layout",
    "Point",
    "Pooled",
    "Predictor",
    "Run",
    "SpatialAggregation",
    "create_network",
    "cut_connection",
    "flow",
    "load",
    "load_reference_layer",
    "load_reference_network",
    "load_run",
    "record_flow",
    "record_gates",
    "record_hidden",
    "register_data",
    "register_head",
    "register_method",
    "register_task",
    "replace_gates",
    "shared_parameters",
    "trust_code",
    "weave",
]

sys.meta_path.append(MovedModules())

# Rooms are opened when they are asked for: torch for networks, NumPy and Pillow for predictions.
_ROOMS = {"Predictor": "inference", "trust_code": "outside", "register_task": "tasks.kinds", "register_data": "data"}
_ROOMS |= dict.fromkeys(
    ("Dense", "Head", "Layout", "Point", "Pooled", "create_network", "register_head", "register_method", "weave"),
    "networks",
)
_ROOMS |= dict.fromkeys(("Run", "load_run"), "runs.run")
_ROOMS |= dict.fromkeys(("load_reference_layer", "load_reference_network"), "reference")
_ROOMS["load"] = "inference.load"
_ROOMS |= {"Balancer": "training.balancing.balancer", "shared_parameters": "training.balancing.shared"}


def __getattr__(name: str) -> Any:
    if name in ("fusion", "inference", "networks", "reference", "runs", "testing"):
        return import_module(f"afanet.{name}")
    if name not in __all__:
        raise AttributeError(f"module 'afanet' has no attribute '{name}'")
    value = getattr(import_module(f"afanet.{_ROOMS.get(name, 'fusion')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
