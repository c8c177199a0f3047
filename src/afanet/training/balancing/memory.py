"""The state of a balancing method between calls, as tensors and plain values."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

_OF_EVERY_MODULE = set(vars(nn.Module()))


def remember(module: nn.Module) -> list[dict[str, Any]]:
    """Every tensor, number and optimiser that a module and those below it hold, wherever it holds them.

    TorchJD keeps state in plain attributes, which a state dict misses. The result can be loaded with
    `torch.load(..., weights_only=True)`; anything else (functions, a solver's problem) is left out.

    >>> layer = nn.Identity()
    >>> layer.seen, layer.of = 3, (2, torch.device("cpu"))
    >>> remember(layer)
    [{'seen': 3, 'of': (2, {'device': None})}]
    """
    return [
        {name: _plain(value) for name, value in _attributes(part).items() if _is_plain(value)}
        for part in module.modules()
    ]


def recall(module: nn.Module, memory: list[dict[str, Any]], device: torch.device) -> None:
    """Load what `remember` kept into a module of the same kind, its tensors on `device`."""
    part: Any
    # In older versions some methods had further modules below, which held nothing.
    for part, held in zip(module.modules(), memory, strict=False):
        for name, value in held.items():
            if name in part._parameters and isinstance(value, Tensor):
                part._parameters[name].data = value.to(device, copy=True)
        for name, value in held.items():
            if name not in part._parameters:
                setattr(part, name, _unplain(value, part, device))


def in_float64(memory: Any) -> Any:
    """`memory` with float64 instead of float32, in which older versions computed.

    >>> in_float64([{"of": (2, torch.float32), "seen": torch.ones(1)}])
    [{'of': (2, torch.float64), 'seen': tensor([1.], dtype=torch.float64)}]
    """
    match memory:
        case Tensor() if memory.dtype == torch.float32:
            return memory.double()
        case torch.float32:
            return torch.float64
        case dict():
            return {key: in_float64(value) for key, value in memory.items()}
        case list():
            return [in_float64(value) for value in memory]
        case tuple():
            return tuple(in_float64(value) for value in memory)
    return memory


def _attributes(part: nn.Module) -> dict[str, Any]:
    own = {name: value for name, value in vars(part).items() if name not in _OF_EVERY_MODULE}
    return {**part._parameters, **part._buffers, **own}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    plain = (Tensor, np.ndarray, Optimizer, torch.dtype, torch.device, bool, int, float, str)
    return value is None or isinstance(value, plain)


def _plain(value: Any) -> Any:
    match value:
        case Tensor():
            return value.detach().clone()
        case np.ndarray():
            return {"array": torch.from_numpy(value.copy())}
        case Optimizer():
            return {"optimizer": copy.deepcopy(value.state_dict())}
        case torch.device():
            return {"device": None}
        case list():
            return [_plain(item) for item in value]
        case tuple():
            return tuple(_plain(item) for item in value)
    return value


def _unplain(value: Any, part: nn.Module, device: torch.device) -> Any:
    match value:
        case Tensor():
            return value.to(device, copy=True)
        case {"array": array}:
            return array.numpy().copy()
        case {"optimizer": state}:
            optimizer = Adam(part.parameters(recurse=False))
            optimizer.load_state_dict(copy.deepcopy(state))
            return optimizer
        case {"device": None}:
            return device
        case list():
            return [_unplain(item, part, device) for item in value]
        case tuple():
            return tuple(_unplain(item, part, device) for item in value)
    return value
