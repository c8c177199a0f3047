"""The checkpoint of a run: written whole or not at all, and read without running code from it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.files import require_regular, whole
from afanet.runs.finite import require_finite

PREFIX = "network."  # begins the name of each weight in a checkpoint


def save_checkpoint(file: Path, network: nn.Module, training: Mapping[str, Any]) -> None:
    """Write the weights to score, and everything that training needs to resume.

    Raises `InputError` if the file cannot be written, for example on a full disk; the previous checkpoint is kept then.
    """
    weights = {PREFIX + name: tensor for name, tensor in network.state_dict().items()}
    last = "the previous one is intact: make room and go on with --resume" if file.exists() else "make room"
    _write(file, {"state_dict": weights, "training": dict(training)}, last)


def _write(file: Path, content: Mapping[str, Any], advice: str) -> None:
    """Write a checkpoint, whole or not at all; if this fails, raises an `InputError` that ends in `advice`."""
    try:
        with whole(file) as partial, partial.open("wb") as writer:
            torch.save(dict(content), writer)
            writer.flush()
            os.fsync(writer.fileno())
    except (InputError, RuntimeError) as error:  # torch's writer raises the latter
        if isinstance(error.__context__, KeyboardInterrupt):  # torch's writer reports it as an error of the file
            raise error.__context__ from None
        reason = getattr(error.__cause__, "strerror", None) or "the writer stopped, perhaps because the disk is full"
        raise InputError(f"checkpoint {file} cannot be written ({reason}); {advice}") from None


def drop_optimizer(file: Path) -> None:
    """Rewrite a finished run's checkpoint without its optimiser's state.

    Raises `InputError` if it cannot be written; the checkpoint then stays as it was.
    """
    saved = read_checkpoint(file)
    saved["training"]["learner"]["optimizer"]["state"] = {}
    _write(file, saved, "the previous one is intact, and larger: make room")


def read_checkpoint(file: Path) -> dict[str, Any]:
    """The contents of a checkpoint, on the CPU; raises `InputError` for any other file and for non-finite weights.

    Only tensors and plain values are read from the file, never code.
    """
    damaged = f"{file} is not a checkpoint of a training run, or it is damaged"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about kinds of tensors that are refused below
            saved: Any = torch.load(require_regular(file), map_location="cpu", weights_only=True)
    except (InputError, MemoryError):
        raise
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from None
    except Exception:  # torch's reader can raise anything for an arbitrary file
        raise InputError(f"{damaged}: train again") from None
    weights = saved.get("state_dict") if isinstance(saved, dict) else None
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in weights.items()
    ):
        raise InputError(f"{damaged}: train again")
    if odd := [tensor for tensor in _tensors(saved) if not _is_whole(tensor)]:
        kind = f"{odd[0].device.type} {odd[0].layout}".replace("torch.", "")
        raise InputError(f"{damaged}: it holds a {kind} tensor, expected dense tensors on the CPU; train again")
    require_finite({name.removeprefix(PREFIX): tensor for name, tensor in weights.items()}, file)
    return dict(saved)


def tensors_fault(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """The first difference in names, shapes and types between a checkpoint's tensors and a network's; None if equal.

    >>> tensors_fault({"a": torch.zeros(2)}, {"a": torch.zeros(3)})
    "'a' is (2,), expected (3,)"
    """
    if odd := sorted(set(tensors) ^ set(expected)):
        where = "only in the checkpoint" if odd[0] in tensors else "only in the recipe's network"
        return f"{len(odd)} tensors are in only one of the two, such as {odd[0]!r:.120}, {where}"
    for name, tensor in expected.items():
        if tensors[name].shape != tensor.shape:
            return f"'{name}' is {tuple(tensors[name].shape)}, expected {tuple(tensor.shape)}"
        if tensors[name].dtype != tensor.dtype:
            return f"'{name}' is {tensors[name].dtype}, expected {tensor.dtype}"
    return None


def _tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested values; a value may contain itself."""
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value


def _is_whole(tensor: Tensor) -> bool:
    """Whether the tensor is plain, with memory for each of its values."""
    plain = tensor.layout is torch.strided and tensor.device.type == "cpu"
    if not plain or tensor.is_quantized or tensor.is_nested:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()
