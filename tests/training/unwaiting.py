"""A device that has no values: whatever waits for a result of it, or is not told to copy without waiting, fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.accelerators import CPUAccelerator
from lightning.fabric.strategies import SingleDeviceStrategy
from torch import Tensor
from torch.overrides import TorchFunctionMode

DEVICE = torch.device("meta")
COPIES = (Tensor.to, Tensor.cuda)
FROM_VALUES = (torch.tensor, torch.as_tensor, Tensor.new_tensor)


class WaitsError(Exception):
    """A call that would wait for a device."""


class Unwaiting(TorchFunctionMode):
    """A context in which copies to `DEVICE` must be made without waiting.

    That nothing asks for a value, as `item`, `bool` and `nonzero` do, needs no context: there are none on `DEVICE`.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        arrived = isinstance(result, Tensor) and result.device == DEVICE
        here = args and isinstance(args[0], Tensor) and args[0].device == DEVICE
        if arrived and func in FROM_VALUES and (func is Tensor.new_tensor or not here):
            raise WaitsError(f"{func.__name__} copies values from the CPU, and waits")
        if arrived and func in COPIES and args[0].device != DEVICE and not kwargs.get("non_blocking"):
            raise WaitsError(f"{func.__name__} without non_blocking waits")
        return result


class Nowhere(CPUAccelerator):
    """An accelerator for `DEVICE`, which needs no preparation."""

    def setup_device(self, device: torch.device) -> None:
        return


def unwaiting_fabric() -> Fabric:
    """A Fabric that computes on `DEVICE`."""
    return Fabric(strategy=SingleDeviceStrategy(DEVICE, Nowhere()))
