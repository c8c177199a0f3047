"""The checkpoint of a run: written whole or not at all, and read without running code from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.files import require_regular, whole
from afanet.runs.finite import require_finite

PREFIX = "network."  # of the weights' names in a checkpoint


def save_checkpoint(file: Path, network: nn.Module, training: Mapping[str, Any]) -> None:
    """Write the weights that are to be scored, and everything from which training resumes.

    Raises `InputError` where it cannot be written, such as on a full disk; the checkpoint before it is kept then.
    """
    weights = {PREFIX + name: tensor for name, tensor in network.state_dict().items()}
    try:
        with whole(file) as partial, partial.open("wb") as writer:
            torch.save({"state_dict": weights, "training": dict(training)}, writer)
            writer.flush()
            os.fsync(writer.fileno())
    except (InputError, RuntimeError) as error:  # torch's writer raises the latter
        if isinstance(error.__context__, KeyboardInterrupt):  # which torch's writer takes for a fault of the file
            raise error.__context__ from None
        reason = getattr(error.__cause__, "strerror", None) or "the writer stopped, as on a full disk"
        last = "the one before it is whole: make room and go on with --resume" if file.exists() else "make room"
        raise InputError(f"checkpoint {file} cannot be written ({reason}); {last}") from None


def load_checkpoint(network: nn.Module, file: Path) -> dict[str, Any]:
    """Load exactly the weights in `file`; returns the state from which training resumes.

    Only tensors and plain values are read from the file, never code. Raises `InputError` for a file that is no
    checkpoint, a checkpoint of another network, and weights that are not finite.
    """
    saved = read_checkpoint(file)
    state = {name.removeprefix(PREFIX): tensor for name, tensor in saved["state_dict"].items()}
    expected = network.state_dict()
    odd = sorted(set(state) ^ set(expected))
    if odd:
        where = "only in the checkpoint" if odd[0] in state else "only in the recipe's network"
        raise InputError(
            f"{file} is of another network than the recipe.yaml beside it: {len(odd)} tensors are in one of the two "
            f"alone, such as {odd[0]!r:.120}, {where}"
        )
    for name, tensor in expected.items():
        if state[name].shape != tensor.shape:
            raise InputError(
                f"{file} is of another network than the recipe.yaml beside it: '{name}' is {tuple(state[name].shape)}, "
                f"expected {tuple(tensor.shape)}"
            )
    network.load_state_dict(state)
    return dict(saved.get("training", {}))


def read_checkpoint(file: Path) -> dict[str, Any]:
    """The contents of a checkpoint, on the CPU; raises `InputError` for no checkpoint and for non-finite weights."""
    try:
        saved: dict[str, Any] = torch.load(require_regular(file), map_location="cpu", weights_only=True)
        weights: dict[str, Tensor] = saved["state_dict"]
        assert all(isinstance(tensor, Tensor) for tensor in weights.values())
    except InputError:
        raise
    except Exception:  # torch's reader can raise anything for an arbitrary file
        raise InputError(f"{file} is no checkpoint of a training run, or is damaged: train anew") from None
    require_finite({name.removeprefix(PREFIX): tensor for name, tensor in weights.items()}, file)
    return saved
