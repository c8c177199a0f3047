"""The file with the learnt part of an adapted network: adapters, heads and fusion layers, without the backbone."""

from __future__ import annotations

from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from afanet.errors import InputError, shown
from afanet.json_text import parse_json, to_json
from afanet.networks.tensors_file import read_tensors, write_tensors
from afanet.networks.woven import Woven
from afanet.normalisation import Normalisation

FORMAT = 1
KEY = "afanet"  # the key in the file's metadata
OF_ADAPTERS = ("lora_A", "lora_B")  # parts of the names of adapters' parameters
SAYS = {"backbone": "backbone", "rank": "lora rank", "by": "lora by", "where": "lora where"}


def save_adapters(network: Woven, file: str | Path, normalisation: Normalisation | None = None) -> None:
    """Write the learnt part of a network with adapters to a safetensors file.

    The file's metadata name the backbone, the adapters' settings, and the frozen weights by their SHA-256.

    Args:
        network: a network with adapters.
        file: the safetensors file.
        normalisation: how its images are normalised; if given, the metadata have it as `mean` and `std`.

    Raises:
        InputError: for a network without adapters, and if the file cannot be written.
    """
    images = {} if normalisation is None else {"mean": normalisation.mean, "std": normalisation.std}
    write_tensors(Path(file), _learnt(network), {KEY: to_json(_description(network) | images)})


def load_adapters(network: Woven, file: str | Path) -> None:
    """Load a file of `save_adapters` into a network that was built in the same way.

    Args:
        network: a network with the same method, tasks, heads and adapters, on a backbone with the same weights.
        file: the safetensors file.

    Raises:
        InputError: for any other file, and for a file for another backbone, other weights, other adapters, or another
            network; the network is unchanged then.
    """
    file, expected = Path(file), _description(network)
    tensors, described = _read(file)
    if described.get("format") != FORMAT:
        raise InputError(
            f"{file} has adapters in format {shown(described.get('format'))}, expected {FORMAT}: a newer version of "
            "afanet wrote it, so install a newer version"
        )
    for key, name in SAYS.items():
        if described.get(key) != expected[key]:
            raise InputError(
                f"{file} has adapters for {name} {shown(described.get(key))}, but the network has {expected[key]!r}: "
                "make the network as it was when they were trained"
            )
    if described.get("weights") != expected["weights"]:
        raise InputError(
            f"{file} has adapters for other weights of '{expected['backbone']}' than those of the network: load the "
            "weights on which they were trained"
        )
    learnt = _learnt(network)
    if odd := sorted(tensors.keys() ^ learnt.keys()):
        where = "the file" if odd[0] in tensors else "the network"
        raise InputError(f"{file} is of another method, or of other tasks or heads: '{odd[0]:.120}' is only in {where}")
    for name, tensor in tensors.items():
        if tensor.shape != learnt[name].shape:
            raise InputError(
                f"{file} has {tuple(tensor.shape)} at '{name:.120}', expected {tuple(learnt[name].shape)}: make the "
                "network as it was when they were trained"
            )
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(f"{file} has values that are not finite at '{name:.120}': train them again")
    with torch.no_grad():
        for name, tensor in tensors.items():
            learnt[name].copy_(tensor)


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    kind, expected = "file of adapters", "one that save_adapters wrote"
    tensors, metadata = read_tensors(file, kind, expected)
    described = parse_json(metadata[KEY], f"the metadata of {file}") if KEY in metadata else None
    if not isinstance(described, dict):
        raise InputError(f"{file} is not a {kind}, expected {expected}")
    return tensors, described


def _description(network: Woven) -> dict[str, Any]:
    adapters = network.adapters
    if adapters is None:
        raise InputError("the network has no adapters: make it with create_network(..., lora=...)")
    settings = {key: getattr(adapters, key) for key in SAYS}
    return {"format": FORMAT, **settings, "weights": _hash_of_frozen(network)}


def _learnt(network: Woven) -> dict[str, Tensor]:
    """Every tensor outside the backbones, and the adapters inside them; tensors that tasks share are listed once."""
    kept = network.state_dict().keys()
    tensors = chain(network.named_parameters(), network.named_buffers())
    return {name: tensor for name, tensor in tensors if name in kept and not _is_frozen(name)}


def _is_frozen(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == "branches" and parts[2] == "backbone" and not set(OF_ADAPTERS) & set(parts)


def _hash_of_frozen(network: Woven) -> str:
    """The SHA-256 of all frozen tensors of the first task's backbone, with their names and shapes."""
    digest = sha256()
    for name, tensor in network.branches.get_submodule(f"{network.tasks[0]}.backbone").state_dict().items():
        if not set(OF_ADAPTERS) & set(name.split(".")):
            digest.update(f"{name.replace('.base_layer.', '.')} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
