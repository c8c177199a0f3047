"""The scored weights of a run in a safetensors file of their own, without the state that training needs to resume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from afanet.errors import InputError, shown
from afanet.json_text import parse_json, to_json
from afanet.networks.tensors_file import read_tensors, write_tensors
from afanet.runs.checkpoint import PREFIX, read_checkpoint, tensors_fault
from afanet.runs.finite import require_finite
from afanet.runs.kept import CONFIG

KEY = "afanet"  # the key in the file's metadata
FORMAT = 1
SUFFIX = ".safetensors"
MODEL = "model.safetensors"  # the file in a saved folder
KIND = "file of a network's weights"
EXPECTED = "the one that afanet wrote: copy it again, whole"


def save_weights(file: Path, weights: Mapping[str, Tensor]) -> None:
    """Write weights by their names in a network's `state_dict`; a tensor that layers share is written once.

    The metadata list all names in order, which a safetensors file would lose, each with the name under which its tensor
    is written. Raises `InputError` if the file cannot be written.
    """
    first: dict[tuple[object, ...], str] = {}
    names = {name: first.setdefault(_memory(name, tensor), name) for name, tensor in weights.items()}
    kept = {name: weights[name] for name in first.values()}
    write_tensors(file, kept, {KEY: to_json({"format": FORMAT, "names": names})})


def read_weights(file: Path) -> dict[str, Tensor]:
    """Weights by their names in a network's `state_dict`, on the CPU, from a file of `save_weights` or a checkpoint.

    Only tensors and plain values are read from the file, never code. Raises `InputError` for a file that is incomplete
    or of another kind, and for weights that are not finite.
    """
    if file.suffix != SUFFIX:
        state: dict[str, Tensor] = read_checkpoint(file)["state_dict"]
        return {name.removeprefix(PREFIX): tensor for name, tensor in state.items()}
    weights, metadata = read_tensors(file, KIND, EXPECTED)
    require_finite(weights, file)
    return {name: weights[own] for name, own in _names(file, weights, metadata).items()}


def load_weights(network: nn.Module, file: Path) -> None:
    """Load the weights in `file` into `network`; names, shapes and types must match exactly.

    Raises `InputError` as `read_weights` does, and for weights of another network; the network is unchanged then.
    """
    weights = read_weights(file)
    if fault := tensors_fault(weights, network.state_dict()):
        beside = CONFIG if file.name == MODEL else "recipe.yaml"
        raise InputError(f"{file} is of another network than the {beside} beside it: {fault}")
    network.load_state_dict(weights)


def _memory(name: str, tensor: Tensor) -> tuple[object, ...]:
    """A key that is equal for two names of the same tensor; an empty tensor is never shared."""
    if not tensor.numel():
        return (name,)
    return tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()


def _names(file: Path, weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, str]:
    """All names in order, from the metadata of `file`, each with the name of its tensor in `weights`."""
    about = parse_json(metadata[KEY], f"the metadata of {file}") if KEY in metadata else None
    if not isinstance(about, dict) or "format" not in about:
        raise InputError(f"{file} is not a {KIND}: its metadata have no '{KEY}', expected {EXPECTED}")
    if about["format"] != FORMAT:
        raise InputError(
            f"{file} has weights in format {shown(about['format'])}, expected {FORMAT}: a newer version of afanet "
            "wrote it, so install a newer version"
        )
    names = about.get("names")
    if not isinstance(names, dict) or not all(isinstance(own, str) for own in names.values()):
        raise InputError(f"{file} is not a {KIND}: its metadata have {shown(names)} as 'names', expected {EXPECTED}")
    if odd := sorted({*names.values()} ^ weights.keys()):
        where = "tensors" if odd[0] in weights else "metadata"
        raise InputError(f"{file} is not a {KIND}: {odd[0]!r:.120} is only in its {where}, expected {EXPECTED}")
    return names
