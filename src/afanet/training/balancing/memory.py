"""The state of a balancing method between calls, as tensors and plain values."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from afanet.errors import shown
from afanet.training.optimisation import ADAM, slots_fault

_OF_EVERY_MODULE = set(vars(nn.Module()))


def remember(module: nn.Module) -> list[dict[str, Any]]:
    """Every tensor, number and optimiser that a module and its submodules hold, in whatever attribute.

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
    # Older versions had other attributes and further modules, which are ignored.
    for part, kept in zip(module.modules(), memory, strict=False):
        held = {name: value for name, value in kept.items() if name in _attributes(part)}
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
        case {"array": Tensor() as array}:
            return array.double()
        case dict():
            return {key: in_float64(value) for key, value in memory.items()}
        case list():
            return [in_float64(value) for value in memory]
        case tuple():
            return tuple(in_float64(value) for value in memory)
    return memory


def memory_fault(module: nn.Module, memory: object, count: int) -> str | None:
    """Why `memory` cannot be that of `module`, new and balancing `count` tasks; None if it can."""
    fresh = remember(module)
    if not isinstance(memory, list) or len(memory) < len(fresh):
        return f"it is {shown(memory)}, expected {len(fresh)} parts"
    # Older versions had other attributes and further modules, which are ignored.
    for part, expected, held in zip(module.modules(), fresh, memory, strict=False):
        if not isinstance(held, dict):
            return f"it holds {shown(held)}, expected {', '.join(expected)}"
        for name, value in expected.items():
            if name not in held and isinstance(value, Tensor | dict):
                return f"'{name}' is missing"
            if name in held and not _may_become(held[name], value, name, part, count):
                return f"'{name}' is {shown(held[name])}"
    return None


def _may_become(value: Any, fresh: Any, name: str, part: nn.Module, count: int) -> bool:
    """Whether `value` may be a later value of a module's attribute that begins as `fresh`."""
    match fresh:
        case Tensor():  # an array in older versions
            return _are_alike(value.get("array") if isinstance(value, dict) else value, fresh)
        case {"array": array}:
            return isinstance(value, dict) and set(value) == {"array"} and _are_alike(value["array"], array)
        case {"optimizer": _}:
            return _is_adam(value, part)
        case None if name.endswith("optimizer"):  # created in the first step
            return value is None or _is_adam(value, part)
        case None if name.endswith("key"):  # TorchJD compares it with that of the next call
            items = value if isinstance(value, tuple) else (value,)
            return all(isinstance(item, int | torch.dtype | None) or item == {"device": None} for item in items)
        case None:
            return value is None or (isinstance(value, Tensor) and value.shape[:1] in (torch.Size(), (count,)))
        case list():
            return isinstance(value, list) and all(_may_become(item, None, "", part, count) for item in value)
        case bool() | int() | float():
            return isinstance(value, int | float) and isinstance(value, bool) == isinstance(fresh, bool)
    return bool(value == fresh)


def _are_alike(value: object, fresh: Tensor) -> bool:
    return (
        isinstance(value, Tensor)
        and value.shape == fresh.shape
        and value.is_floating_point() == fresh.is_floating_point()
    )


def _is_adam(value: Any, part: nn.Module) -> bool:
    """Whether `value` is what `_plain` makes of an Adam over the module's own parameters."""
    parameters = list(part.parameters(recurse=False))
    match value:
        case {"optimizer": {"state": dict() as state, "param_groups": [dict() as group]}}:
            known = Adam(parameters).state_dict()["param_groups"][0]
            return (
                slots_fault(state, parameters, ADAM) is None
                and all(
                    key in group and _is_setting(group[key], known[key])
                    for key in ("lr", "betas", "eps", "weight_decay")
                )
                and group.get("params") == known["params"]
                and set(group) <= set(known)
            )
    return False


def _is_setting(value: Any, known: Any) -> bool:
    if isinstance(known, tuple):
        return isinstance(value, tuple) and len(value) == len(known) and all(map(_is_setting, value, known))
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


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
