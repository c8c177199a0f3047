"""Reads tensors by name from a file, without running code that it holds."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from timm.models import clean_state_dict
from torch import Tensor

from afanet.errors import InputError

# Under which a file may hold its tensors, the better ones first: an average over training or a teacher is meant for use
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model", "teacher", "student", "model_state")


def read_state_dict(path: str | Path) -> Mapping[str, Tensor]:
    """The tensors of a .pth or .safetensors file by name, read without unpickling code.

    Raises:
        InputError: where there is no such file, or it cannot be read as tensors by name.
    """
    return tensors_by_name(read_file(Path(path)), str(path))


def read_file(path: Path) -> object:
    """What a .pth or .safetensors file holds, read without unpickling code; raises `InputError` for other files."""
    if path.is_dir():
        raise InputError(f"{path} is not a file, but a folder: write local-dir:{path} to take the weights in it")
    if not path.is_file():
        raise InputError(f"{path} is not a file: expected weights saved as .pth or .safetensors")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # training scripts put their arguments beside the weights: plain values, without code
        with torch.serialization.safe_globals([Namespace]):
            return torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # a broken file can raise anything in its reader
        raise InputError(
            f"{path} cannot be read as weights ({type(error).__name__}): expected tensors by name"
        ) from error


def wrapper_of(state: object) -> str:
    """The names under which an object holds its state dict, empty where it is one itself.

    >>> wrapper_of({"epoch": 3, "model": {"teacher": {}}})
    'model.teacher'
    """
    return ".".join(_wrappers(state))


def tensors_by_name(state: object, source: str) -> Mapping[str, Tensor]:
    """The state dict that an object is, or that it wraps under a name in `WRAPPERS`.

    What torch's wrappers for several processes and for compiled networks put before each name is taken away.

    Raises:
        InputError: where it is none, naming the source.
    """
    for wrapper in _wrappers(state):
        state = state[wrapper]  # type: ignore[index]
    if not isinstance(state, Mapping):
        raise InputError(f"{source} holds {type(state).__name__}: expected tensors by name")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise InputError(f"{source} holds {type(tensor).__name__} under {name!r:.120}: expected tensors by name")
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
            raise InputError(f"{source} holds a sparse, quantised or empty tensor under {name!r:.120}: expected values")
    return clean_state_dict(dict(state))


def _wrappers(state: object) -> list[str]:
    names = []
    for wrapper in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            names.append(wrapper)
            state = state[wrapper]
    return names
