"""Networks: any single-task networks woven into one, and ready-made networks by method and backbone."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from afanet.networks.create import create_network
    from afanet.networks.heads import HEADS, register_head
    from afanet.networks.heads.head import Head, Stage
    from afanet.networks.layout import Layout, Point
    from afanet.networks.lora.adapt import merged
    from afanet.networks.lora.file import load_adapters, save_adapters
    from afanet.networks.lora.settings import Lora
    from afanet.networks.methods import METHODS, Method, register_method
    from afanet.networks.outputs import Dense, Output, Pooled
    from afanet.networks.weaving import weave
    from afanet.networks.woven import Woven

__all__ = [
    "HEADS",
    "METHODS",
    "Dense",
    "Head",
    "Layout",
    "Lora",
    "Method",
    "Output",
    "Point",
    "Pooled",
    "Stage",
    "Woven",
    "create_network",
    "load_adapters",
    "merged",
    "register_head",
    "register_method",
    "save_adapters",
    "weave",
]

# Imported on first use: the list of methods and the kinds of output need no torch.
_FILES = {"create_network": "create", "weave": "weaving", "Woven": "woven"}
_FILES |= dict.fromkeys(("Layout", "Point"), "layout")
_FILES |= dict.fromkeys(("METHODS", "Method", "register_method"), "methods")
_FILES |= dict.fromkeys(("HEADS", "register_head"), "heads") | dict.fromkeys(("Head", "Stage"), "heads.head")
_FILES |= dict.fromkeys(("Dense", "Output", "Pooled"), "outputs")
_FILES |= {"Lora": "lora.settings", "merged": "lora.adapt"}
_FILES |= dict.fromkeys(("load_adapters", "save_adapters"), "lora.file")


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module 'afanet.networks' has no attribute '{name}'")
    return getattr(import_module(f"afanet.networks.{_FILES[name]}"), name)
