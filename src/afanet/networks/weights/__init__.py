"""Loads weights of a backbone from a file, a folder or the hub: reads, renames to timm's names, fits and reports."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from afanet.networks.weights.load import fill, load_weights
    from afanet.networks.weights.read import read_state_dict, tensors_by_name
    from afanet.networks.weights.report import Report

__all__ = ["Report", "fill", "load_weights", "read_state_dict", "tensors_by_name"]

# Imported on first use: reading how a recipe spells weights needs no torch.
_FILES = dict.fromkeys(("fill", "load_weights"), "load") | {"Report": "report"}
_FILES |= dict.fromkeys(("read_state_dict", "tensors_by_name"), "read")


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module 'afanet.networks.weights' has no attribute '{name}'")
    return getattr(import_module(f"afanet.networks.weights.{_FILES[name]}"), name)
