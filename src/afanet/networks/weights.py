"""Backbone weights from a local file, and one line that says what was in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from afanet.errors import InputError


def load_weights(module: nn.Module, name: str, path: str) -> str:
    """Copy the tensors of a file into a module by name; returns one line on what was loaded and what is missing.

    Tensors of the file that the module does not have (such as a classifier's) are passed over, those that it has must
    have its shapes.

    Raises:
        InputError: for a file that is missing or unreadable, holds none of the module's tensors, or other shapes.
    """
    state = read_state_dict(path)
    # timm names the layers of a flattened stage stages_0.x where its files say stages.0.x
    found = {
        name: state[key] for key in state for name in (key, key.replace(".", "_", 1)) if name in module.state_dict()
    }
    own = module.state_dict()
    if not found:
        first = next(iter(state), None)
        raise InputError(f"{path} holds none of the tensors of '{name}' (its first is '{first}'): expected its weights")
    for key, tensor in found.items():
        if tensor.shape != own[key].shape:
            raise InputError(f"{path} has {tuple(tensor.shape)} at '{key}' where '{name}' has {tuple(own[key].shape)}")
    module.load_state_dict(found, strict=False)
    missing = Counter(key.split(".")[0] for key in own if key not in found)
    rest = ", ".join(f"{part}.* ({count})" for part, count in missing.items()) or "none"
    return f"{name}: {len(found)} of {len(own)} tensors loaded from {Path(path).name}, missing: {rest}"


def read_state_dict(path: str | Path) -> Mapping[str, Tensor]:
    """The tensors of a .pth or .safetensors file by name, read without unpickling code.

    Raises:
        InputError: where there is no such file, or it cannot be read as tensors by name.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file: expected weights saved as .pth or .safetensors")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # a broken file can make its reader stumble over anything
        raise InputError(
            f"{path} cannot be read as weights ({type(error).__name__}): expected tensors by name"
        ) from error
    return tensors_by_name(state, str(path))


def tensors_by_name(state: object, source: str) -> Mapping[str, Tensor]:
    """The state dict that an object is, or that it wraps under "state_dict" or "model".

    Raises:
        InputError: where it is none, naming the source.
    """
    for wrapper in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping):
        raise InputError(f"{source} holds {type(state).__name__}: expected tensors by name")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise InputError(f"{source} holds {type(tensor).__name__} under {name!r}: expected tensors by name")
    return state
