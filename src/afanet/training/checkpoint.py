"""Reading the checkpoint of a run into the network it was saved from."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from afanet.errors import InputError


def load_checkpoint(module: nn.Module, file: Path) -> None:
    """Load the weights that Lightning saved in `file`, every one of them and no other.

    Only tensors and plain values are read from the file, never code. Raises `InputError` where it is no checkpoint, or
    one of another network.
    """
    try:
        saved = torch.load(file, map_location="cpu", weights_only=True)
        state: dict[str, Tensor] = saved["state_dict"]
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError):
        raise InputError(f"{file} is no checkpoint of a training run, or is damaged: train anew") from None
    expected = module.state_dict()
    odd = sorted(set(state) ^ set(expected))
    if odd:
        place = "only in the checkpoint" if odd[0] in state else "only in the recipe's network"
        raise InputError(
            f"{file} is of another network than the recipe.yaml beside it: {len(odd)} tensors stand in one of the two "
            f"alone, such as '{odd[0]}', {place}"
        )
    for name, tensor in expected.items():
        if state[name].shape != tensor.shape:
            raise InputError(
                f"{file} is of another network than the recipe.yaml beside it: '{name}' is {tuple(state[name].shape)}, "
                f"expected {tuple(tensor.shape)}"
            )
    module.load_state_dict(state)
