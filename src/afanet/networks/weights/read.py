"""Reads tensors by name from a file, without running code that it holds."""

from __future__ import annotations

import zipfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from timm.models import clean_state_dict
from torch import Tensor

from afanet.errors import InputError, shown
from afanet.files import require_regular
from afanet.limits import memory

# The names under which a file may hold its tensors, in order of preference: averages over training come first.
WRAPPERS = (
    ("state_dict_ema", "model_ema"),
    ("state_dict", "model", "model_state_dict", "model_state"),
    ("teacher",),
    ("student",),
)
DEEPEST = 4  # the most wrappers inside each other
MOST_TENSORS = 100_000  # the most tensors in a file: the largest networks have thousands


def read_state_dict(path: str | Path) -> Mapping[str, Tensor]:
    """The tensors of a .pth or .safetensors file by name, read without unpickling code.

    Raises:
        InputError: if there is no such file, or if it cannot be read as tensors by name.
    """
    return tensors_by_name(read_file(Path(path)), str(path))


def read_file(path: Path) -> object:
    """The content of a .pth or .safetensors file, read without unpickling code; raises `InputError` for other files."""
    if path.is_dir():
        raise InputError(f"{path} is not a file, but a folder: write local-dir:{path} to take the weights in it")
    if not path.is_file():
        raise InputError(f"{path} is not a file: expected weights saved as .pth or .safetensors")
    require_regular(path, memory())
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        _require_unpacked(path)
        # training scripts save their arguments beside the weights: plain values without code
        with torch.serialization.safe_globals([Namespace]):
            return torch.load(path, "cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # a broken file can raise anything in its reader
        raise InputError(
            f"{path} cannot be read as weights ({type(error).__name__}): expected tensors by name"
        ) from error


def wrapper_of(state: object, source: str) -> str:
    """The names under which an object holds its state dict; empty if it is one itself.

    Raises:
        InputError: if it holds several that are equally good; the message names the source.

    >>> wrapper_of({"epoch": 3, "model": {"teacher": {}}}, "a.pth")
    'model.teacher'
    """
    return ".".join(_wrappers(state, source))


def tensors_by_name(state: object, source: str) -> Mapping[str, Tensor]:
    """The state dict that an object is, or that it wraps under a name in `WRAPPERS` or under any other single name.

    The prefixes that torch's wrappers for several processes and for compiled networks add to names are removed.

    Raises:
        InputError: if it is not a state dict and wraps none or several; the message names the source.
    """
    for wrapper in _wrappers(state, source):
        state = state[wrapper]  # type: ignore[index]
    if not isinstance(state, Mapping):
        raise InputError(f"{source} holds {type(state).__name__}: expected tensors by name")
    if len(state) > MOST_TENSORS:
        raise InputError(f"{source} holds {len(state):,} tensors, expected at most {MOST_TENSORS:,}")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise InputError(f"{source} holds {type(tensor).__name__} under {name!r:.120}: expected tensors by name")
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
            raise InputError(f"{source} holds a sparse, quantised or empty tensor under {name!r:.120}: expected values")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise InputError(f"{source} holds fewer values under {name!r:.120} than its tensor has: expected all")
    return clean_state_dict(dict(state))


def _require_unpacked(path: Path) -> None:
    """Raise `InputError` for an archive that unpacks to more bytes than it has: torch's writer never compresses."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > (size := path.stat().st_size):
            raise InputError(f"{path} has {size:,} bytes but unpacks to {unpacked:,}: expected a file of torch.save")


def _wrappers(state: object, source: str) -> list[str]:
    names: list[str] = []
    while len(names) < DEEPEST and isinstance(state, Mapping) and (name := _wrapper(state, source)):
        names.append(name)
        state = state[name]
    return names


def _wrapper(state: Mapping[object, object], source: str) -> str:
    """The name under which the tensors are; empty if they are in `state` itself."""
    for equals in WRAPPERS:
        if names := [name for name in equals if isinstance(state.get(name), Mapping) and _has_tensors(state[name])]:
            return _the_one(names, source)
    if any(isinstance(value, Tensor) for value in state.values()):
        return ""
    if names := [name for name, value in state.items() if isinstance(name, str) and _is_state_dict(value)]:
        return _the_one(names, source)
    # without any tensors: name the wrapper that should hold them, for the message
    return next((name for equals in WRAPPERS for name in equals if isinstance(state.get(name), Mapping)), "")


def _the_one(names: list[str], source: str) -> str:
    if len(names) > 1:
        raise InputError(f"{source} holds tensors under {shown(', '.join(names))}: save those under one name only")
    return names[0]


def _has_tensors(value: object) -> bool:
    """Whether there is a tensor anywhere in nested mappings; a mapping may contain itself."""
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            return True
        if isinstance(value, Mapping) and id(value) not in seen:
            seen.add(id(value))
            waiting += value.values()
    return False


def _is_state_dict(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(inner, Tensor) for inner in value.values())
