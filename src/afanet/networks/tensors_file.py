"""Safetensors files: tensors by name, and metadata as text; reading runs no code, and refuses files cut short."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from afanet.errors import InputError
from afanet.files import require_regular, whole


def write_tensors(file: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors to `file`, whole or not at all, as copies on the CPU; raises `InputError` if this fails."""
    kept = {name: x.detach().cpu().clone(memory_format=torch.contiguous_format) for name, x in tensors.items()}
    try:
        with whole(file) as partial:
            partial.touch()
            mode = partial.stat().st_mode
            save_file(kept, partial, dict(metadata))
            partial.chmod(mode)  # the writer makes it unreadable for other users
    except SafetensorError as error:  # the writer's own error, for example on a full disk
        raise InputError(f"{file} cannot be written ({error}): make room") from None


def read_tensors(file: Path, kind: str, expected: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors in `file` by name, on the CPU, and its metadata.

    Args:
        file: the safetensors file.
        kind: the kind of file it should be, for messages.
        expected: which file was expected and what to do, for messages.

    Raises:
        InputError: for a file that is missing, cut short, or of another kind.
    """
    try:
        with safe_open(require_regular(file), "pt") as reader:
            metadata = reader.metadata() or {}
            return {name: reader.get_tensor(name) for name in reader.keys()}, metadata  # noqa: SIM118, it is no dict
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from None
    except SafetensorError as error:
        raise InputError(f"{file} is not a {kind}, or it is cut short ({error}), expected {expected}") from None
