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
    """Keep the weights that are to be scored, and all that training goes on from.

    Raises `InputError` where it cannot be written, such as on a full disk; the one before it is then still there.
    """
    weights = {PREFIX + name: tensor for name, tensor in network.state_dict().items()}
    try:
        with whole(file) as partial, partial.open("wb") as stream:
            torch.save({"state_dict": weights, "training": dict(training)}, stream)
            stream.flush()
            os.fsync(stream.fileno())
    except (InputError, RuntimeError) as error:  # torch's writer raises the latter
        if isinstance(error.__context__, KeyboardInterrupt):  # which torch's writer takes for its stream's fault
            raise error.__context__ from None
        reason = getattr(error.__cause__, "strerror", None) or "the writer stopped, as on a full disk"
        last = "the one before it is whole: make room and go on with --resume" if file.exists() else "make room"
        raise InputError(f"checkpoint {file} cannot be written ({reason}); {last}") from None


def load_checkpoint(network: nn.Module, file: Path) -> dict[str, Any]:
    """Load the weights kept in `file`, every one of them and no other; returns what training goes on from.

    Only tensors and plain values are read from the file, never code. Raises `InputError` where it is no checkpoint, one
    of another network, or one whose weights are not finite.
    """
    saved = read_checkpoint(file)
    state = {name.removeprefix(PREFIX): tensor for name, tensor in saved["state_dict"].items()}
    expected = network.state_dict()
    odd = sorted(set(state) ^ set(expected))
    if odd:
        place = "only in the checkpoint" if odd[0] in state else "only in the recipe's network"
        raise InputError(
            f"{file} is of another network than the recipe.yaml beside it: {len(odd)} tensors stand in one of the two "
            f"alone, such as {odd[0]!r:.120}, {place}"
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
    """What stands in a checkpoint, on the CPU; raises `InputError` where it is none, or its weights are not finite."""
    try:
        saved: dict[str, Any] = torch.load(require_regular(file), map_location="cpu", weights_only=True)
        weights: dict[str, Tensor] = saved["state_dict"]
        assert all(isinstance(tensor, Tensor) for tensor in weights.values())
    except InputError:
        raise
    except Exception:  # a file of anything can make torch's reader stumble over anything
        raise InputError(f"{file} is no checkpoint of a training run, or is damaged: train anew") from None
    require_finite({name.removeprefix(PREFIX): tensor for name, tensor in weights.items()}, file)
    return saved
