"""Copies backbone weights from a file, a folder or the hub into a module by name, and reports what was loaded."""

from __future__ import annotations

import timm
from timm.models import adapt_input_conv
from torch import Tensor, nn

from afanet.errors import InputError, shown
from afanet.networks.weights.convert import converted, of_run, spellings
from afanet.networks.weights.report import Report, plain, reported
from afanet.networks.weights.source import Opened, open_weights
from afanet.networks.weights.traced import Traced, traced


def load_weights(module: nn.Module, name: str, source: str, *, partial: bool = False) -> str:
    """Copy weights into a backbone as `fill` does; returns the report in one line."""
    return fill(module, name, source, partial=partial).line()


def fill(module: nn.Module, name: str, source: str, *, partial: bool = False) -> Report:
    """Copy the tensors of a file, a folder or a network on the hub into a backbone.

    The names may be those of timm, torchvision, transformers, or the first authors of a network that timm knows.
    Position embeddings are resampled to the backbone's size, and the first convolution is adapted to its channels.
    Tensors that the backbone does not have (such as a classifier's) are ignored; the others must have its shapes.

    Args:
        module: the backbone.
        name: the name of its timm model.
        source: a file, ``local-dir:FOLDER`` or ``hf-hub:ORG/NAME``, which is downloaded.
        partial: whether the source may have fewer than half of the backbone's tensors.

    Raises:
        InputError: for a source that is missing or unreadable, or that holds none or too few of the backbone's tensors,
            or tensors of other shapes or types, or values that are not finite. The backbone is unchanged then.
    """
    opened, own = open_weights(source), module.state_dict()
    state, notes = converted(traced(opened.state), module, name, source)
    names = {spelling: key for key in own for spelling in spellings(key)}
    loaded = {names[key]: tensor for key, tensor in state.items() if key in names}
    other = _other_network(opened, name)
    if not loaded:
        empty = f"its {shown(opened.wrapper)} is empty" if opened.wrapper else "it is empty"
        has = f"its first is {next(iter(opened.state))!r:.120}" if opened.state else empty
        raise InputError(
            f"{source} holds none of the tensors of '{name}' ({has}){other}: expected its weights{of_run(opened.state)}"
        )
    for key, tensor in loaded.items():
        loaded[key], note = _fitted(tensor, own[key], key in _first_layers(name))
        notes += [note] if note else []
        if loaded[key].shape != own[key].shape:
            raise InputError(
                f"{source} has {tuple(tensor.shape)} at '{key}' where '{name}' has {tuple(own[key].shape)}{other}"
            )
        if own[key].is_floating_point() and (fault := _fault(tensor)):
            raise InputError(f"{source} has {fault} at '{key}': expected finite numbers of a floating type")
    used = {key for tensor in loaded.values() for key in _sources(tensor)}
    notes += [f"its {plain(opened.wrapper)}"] if opened.wrapper else []
    notes += [other.removeprefix(", ")] if other else []
    report = reported(name, opened.shown, notes, own, loaded.keys(), {key: key in used for key in opened.state})
    if report.few and not partial:
        raise InputError(
            f"{source} has {report.counts()} of '{name}', fewer than half ({report.rest()}){other}: give weights of "
            "this network, or set network.partial (partial=True in Python), and the others start at random"
            f"{of_run(opened.state)}"
        )
    module.load_state_dict(loaded, strict=False)
    return report


def _other_network(opened: Opened, name: str) -> str:
    """A clause that says that a config.json beside the weights names another network; empty if it does not."""
    named = opened.architecture
    return f", whose config.json names {shown(named)}" if named and _family(named) != _family(name) else ""


def _family(name: str) -> str:
    return name.partition(".")[0]


def _first_layers(name: str) -> set[str]:
    """The names of the weights that see the image, known from timm, in all spellings of a backbone."""
    config = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    first = config.first_conv if config else None
    layers = (first,) if isinstance(first, str) else first or ()
    return {name for layer in layers for name in (f"{layer}.weight", f"model.{layer}.weight", f"{_flat(layer)}.weight")}


def _flat(layer: str) -> str:
    return layer.replace(".", "_", 1)


def _fitted(tensor: Tensor, own: Tensor, first: bool) -> tuple[Tensor, str]:
    """A file's tensor in the shape of the backbone's, if they differ only in dimensions of one or in input channels."""
    if first and tensor.dim() == own.dim() == 4 and tensor.shape[1] != own.shape[1]:
        channels, others = own.shape[1], tensor.shape[1]
        if (tensor.shape[0], *tensor.shape[2:]) == (own.shape[0], *own.shape[2:]):
            note = f"first layer adapted from {others} to {channels} channels"
            return adapt_input_conv(channels, tensor, base_chans=others), note
    if tensor.shape != own.shape and _without_ones(tensor) == _without_ones(own):
        return tensor.reshape(own.shape), ""
    return tensor, ""


def _fault(tensor: Tensor) -> str:
    """What is wrong with weights from a file; empty if nothing is."""
    if not tensor.is_floating_point():
        return str(tensor.dtype).removeprefix("torch.")
    return "" if bool(tensor.float().isfinite().all()) else "values that are not finite"


def _without_ones(tensor: Tensor) -> list[int]:
    return [length for length in tensor.shape if length != 1]


def _sources(tensor: Tensor) -> frozenset[str]:
    return tensor.sources if isinstance(tensor, Traced) else frozenset()
