"""Replaces a layer's gates, to test whether constant gates, or those of another image, would do as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from afanet.errors import InputError, unknown
from afanet.fusion.base import Fusion
from afanet.fusion.inspect import require_layers
from afanet.fusion.meetings import kinds
from afanet.fusion.mix import weighted_sums


@contextmanager
def replace_gates(network: nn.Module, gates: Mapping[str, Mapping[str, Tensor]]) -> Iterator[None]:
    r"""Inside this context layers mix features by the given gates instead of those that they would compute.

    They mix over channels first, then over pixels:

    .. math:: z_k = \sum_j w^{channel}_{kj} \odot x_j, \qquad y_i = \sum_k w^{spatial}_{ik} \odot z_k

    Given its own gates, a layer returns its usual output, to rounding.

    Args:
        network: a network with layers whose gates are the weights of their mix, as in AFA (``mixes_by_gates`` of
            :class:`~afanet.fusion.Fusion`).
        gates: by layer and kind, as :func:`record_gates` records them with ``raw``: (B, to, from, ...) for the images
            of a batch, or (1, to, from, ...) for all images alike. A layer that is not named keeps its own gates. In a
            named layer, a kind that is not given does not mix: without spatial gates, AFA is CAM alone.

    Raises:
        InputError: for a layer that does not exist (the message names the nearest) or whose gates cannot be replaced;
            in the forward pass, for gates whose size does not fit the features.

    >>> import torch
    >>> from afanet import AFA, record_gates
    >>> network = nn.ModuleDict({"stem": AFA(4, 2, (3, 3))})
    >>> xs = [torch.rand(1, 4, 3, 3) for _ in range(2)]
    >>> with torch.no_grad(), record_gates(network, raw=True) as own:
    ...     y = network["stem"](xs)
    >>> with torch.no_grad(), replace_gates(network, own):
    ...     same = network["stem"](xs)
    >>> bool(torch.allclose(same[0], y[0], atol=1e-6))
    True
    """
    layers = require_layers(network)
    for name in gates:
        if name not in layers:
            raise unknown("fusion layer", name, layers)
    refused = kinds(layers[name] for name in gates if not layers[name].mixes_by_gates)
    if refused:
        raise InputError(
            f"the gates of {' and '.join(refused)} cannot be replaced: only gates that are the weights of a mix, such "
            "as AFA's, can be"
        )
    with ExitStack() as replaced:
        for name, of_layer in gates.items():
            replaced.callback(layers[name].register_forward_hook(_replacer(name, of_layer)).remove)
        yield


def _replacer(
    name: str, gates: Mapping[str, Tensor]
) -> Callable[[Fusion, tuple[Sequence[Tensor], ...], Sequence[Tensor]], list[Tensor]]:
    channel = {kind: values for kind, values in gates.items() if kind == "channel"}

    def replace(layer: Fusion, inputs: tuple[Sequence[Tensor], ...], output: Sequence[Tensor]) -> list[Tensor]:
        xs, prefix = ([x.to(output[0].dtype) for x in given] for given in (*inputs, ())[:2])
        for kind, values in gates.items():
            _require_size(name, kind, values, xs)
        mixed = [*_mixed(xs, gates), *_mixed(prefix, channel)]
        return [new if i % layer.tasks in layer.readers else output[i] for i, new in enumerate(mixed)]

    return replace


def _require_size(name: str, kind: str, gates: Tensor, xs: Sequence[Tensor]) -> None:
    images, channels, height, width = xs[0].shape
    expected = (len(xs), len(xs), *((channels, 1, 1) if kind == "channel" else (1, height, width)))
    if gates.shape[1:] != expected or len(gates) not in (1, images):
        raise InputError(
            f"the {kind} gates given for layer '{name}' have shape {tuple(gates.shape)}, but features "
            f"{tuple(xs[0].shape)} of {len(xs)} tasks need {(images, *expected)}, or 1 in place of {images} images"
        )


def _mixed(xs: Sequence[Tensor], gates: Mapping[str, Tensor]) -> list[Tensor]:
    """Features mixed by gates (B, to, from, ...): over channels, then over pixels."""
    mixed = list(xs)
    for kind in ("channel", "spatial"):
        if kind in gates and mixed:
            mixed = weighted_sums(mixed, gates[kind].to(mixed[0].device).movedim(0, 2))
    return mixed
