"""Backbone weights from a local file, and one line on loaded, missing and unused tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import accumulate
from pathlib import Path

import torch
from safetensors.torch import load_file
from timm.models import adapt_input_conv
from torch import Tensor, nn

from afanet.errors import InputError

COUNTER = "num_batches_tracked"  # of a batch norm: files may lack it, and no output depends on it
MOST_LAYERS = 10  # that are named in a line


def load_weights(module: nn.Module, name: str, path: str) -> str:
    """Copy the tensors of a file into a module by name; returns one line on loaded, missing and unused tensors.

    Tensors of the file that the module does not have (such as a classifier's) are ignored; the others must have the
    module's shapes. A first convolution over RGB is fitted to the module's channels, as timm does it. The line does not
    count the batch norms' `num_batches_tracked`.

    Raises:
        InputError: for a file that is missing or unreadable, holds none of the module's tensors, or other shapes.
    """
    state, own = read_state_dict(path), module.state_dict()
    # timm names the layers of a flattened stage stages_0.x where its files say stages.0.x
    keys = {own_key: key for key in state for own_key in (key, key.replace(".", "_", 1)) if own_key in own}
    if not keys:
        first_key = next(iter(state), None)
        raise InputError(
            f"{path} holds none of the tensors of '{name}' (its first is '{first_key}'): expected its weights"
        )
    loaded = {own_key: _for_channels(state[key], own[own_key].shape) for own_key, key in keys.items()}
    for own_key, tensor in loaded.items():
        if tensor.shape != own[own_key].shape:
            raise InputError(
                f"{path} has {tuple(tensor.shape)} at '{own_key}' where '{name}' has {tuple(own[own_key].shape)}"
            )
    module.load_state_dict(loaded, strict=False)
    counted, used = [key for key in own if not key.endswith(COUNTER)], set(keys.values())
    missing = Counter(f"{key.split('.')[0]}.*" for key in counted if key not in loaded)
    unused = Counter(_unused_layers((key for key in state if not key.endswith(COUNTER)), used))
    return (
        f"{name}: {sum(key in loaded for key in counted)} of {len(counted)} tensors loaded from {Path(path).name}, "
        f"missing: {_listed(missing)}, unused: {_listed(unused)}"
    )


def _for_channels(weight: Tensor, shape: torch.Size) -> Tensor:
    """A first convolution over RGB as timm fits it to other channels, where just those differ from `shape`."""
    if weight.shape == shape or weight.ndim != 4 or weight.shape[1] != 3:
        return weight
    if (weight.shape[0], *weight.shape[2:]) != (shape[0], *shape[2:]):
        return weight
    fitted: Tensor = adapt_input_conv(shape[1], weight)
    return fitted


def _unused_layers(keys: Iterable[str], used: Collection[str]) -> list[str]:
    """For each tensor not in `used`, the outermost layer that has no tensor in `used`.

    >>> _unused_layers(["layer1.0.weight", "layer1.1.conv.weight", "fc.bias"], {"layer1.0.weight"})
    ['layer1.1.*', 'fc.*']
    """
    touched = {layer for key in used for layer in _layers(key)}
    unused = (key for key in keys if key not in used)
    return [next((f"{layer}.*" for layer in _layers(key) if layer not in touched), key) for key in unused]


def _layers(key: str) -> list[str]:
    """The layers around a tensor from the outermost in: `a` and `a.b` of `a.b.weight`."""
    return list(accumulate(key.split(".")[:-1], "{}.{}".format))


def _listed(layers: Mapping[str, int]) -> str:
    parts = [f"{layer} ({count})" for layer, count in layers.items()]
    more = [f"{len(parts) - MOST_LAYERS} more layers"] if len(parts) > MOST_LAYERS else []
    return ", ".join(parts[:MOST_LAYERS] + more) or "none"


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
    except Exception as error:  # a broken file can raise anything in its reader
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
