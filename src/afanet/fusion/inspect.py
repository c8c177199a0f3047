"""Looking into a network: how much each task took from every other, and what each connection was worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from afanet.errors import InputError, unknown
from afanet.fusion.base import Fusion
from afanet.fusion.meetings import among_all, connections, fusion_layers, kinds, members_of

Read = TypeVar("Read")


@contextmanager
def record_gates(network: nn.Module, *, raw: bool = False) -> Iterator[dict[str, dict[str, Tensor]]]:
    """Inside this context every forward pass writes its gates to the yielded dict, by layer and kind.

    Channel gates are (B, to, from, C, 1, 1), spatial gates (B, to, from, 1, H, W), with tasks in the network's order.
    They sum to one over the sources. A task that takes nothing at a layer has 1 from itself. AFA gives its gates.
    Cross-stitch and NDDR, which weigh every image alike, give the shares of their absolute weights. Layers that define
    no gates are left out. Each pass overwrites the one before, and the dict keeps its contents after the context. If
    the network is compiled, call ``network.forward``.

    With `raw`, gates are as each layer computes them: only among the tasks that meet there, and also for those that
    take nothing. :func:`replace_gates` takes this form.

    Raises:
        InputError: for a network in which nothing meets, or in which no layer defines gates.

    >>> from afanet import Pooled, create_network, record_gates
    >>> network = create_network("afa", {"age": Pooled(8), "gender": Pooled(2)}, "resnet18", size=(64, 64)).eval()
    >>> with record_gates(network) as gates, torch.no_grad():
    ...     outputs = network(torch.rand(3, 3, 64, 64))
    >>> {kind: tuple(values.shape) for kind, values in gates["backbone.layer4.1"].items()}
    {'channel': (3, 2, 2, 512, 1, 1), 'spatial': (3, 2, 2, 1, 2, 2)}
    """
    with _recorded(network, _raw_gates if raw else _gates, lambda layer: layer.offers_gates) as recorded:
        yield recorded


@contextmanager
def record_flow(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Inside this context every forward pass writes to the yielded dict how much each task took from every other.

    The dict has a tensor (B, to, from) per layer, with tasks in the network's order and rows that sum to one: the share
    of the features of `from` in the layer's output for `to`. It is a ratio of magnitudes under the layer's weights,

    .. math:: \\frac{\\sum_{c, p} |w_{ij}(c, p) \\, x_j(c, p)|}{\\sum_k \\sum_{c, p} |w_{ik}(c, p) \\, x_k(c, p)|}

    over channels c and pixels p. Unlike :func:`flow`, which reads only the gates, it accounts for the size of the
    features: a branch with small features gives little. Otherwise it works like :func:`record_gates`.

    Raises:
        InputError: for a network in which nothing meets, or in which no layer can say what each task takes.

    >>> from afanet import AFA, record_flow
    >>> network = nn.ModuleDict({"stem": AFA(4, 2, (3, 3))})
    >>> with record_flow(network) as flows:
    ...     y = network["stem"]([torch.rand(1, 4, 3, 3), torch.zeros(1, 4, 3, 3)])
    >>> flows["stem"][0]  # the second task's features are zero, so neither output has a share of them
    tensor([[1., 0.],
            [1., 0.]])
    """
    with _recorded(network, _carried, lambda layer: layer.offers_flow) as recorded:
        yield recorded


@contextmanager
def record_hidden(network: nn.Module) -> Iterator[dict[str, dict[str, Tensor]]]:
    """Inside this context every forward pass writes the hidden units g behind the gates to the yielded dict.

    The dict has a tensor (B, units) per layer and kind, after the ReLU. If all units of an image are zero, its gates
    are one half (1 / N for ``per_task``) whatever the weights after the units, and the weights before the units get no
    gradient from this image. A layer without such units has no entry. Otherwise it works like :func:`record_gates`.

    Raises:
        InputError: for a network in which nothing meets.

    >>> from afanet import AFA
    >>> network = nn.ModuleDict({"stem": AFA(4, 2, (3, 3))})
    >>> with record_hidden(network) as hidden:
    ...     y = network["stem"]([torch.rand(1, 4, 3, 3), torch.rand(1, 4, 3, 3)])
    >>> {kind: tuple(units.shape) for kind, units in hidden["stem"].items()}
    {'channel': (1, 32), 'spatial': (1, 9)}
    """
    with _recorded(network, lambda layer, xs, place: layer.hidden(xs), lambda layer: True) as recorded:
        yield recorded


def _gates(layer: Fusion, xs: Sequence[Tensor], place: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    return {kind: place(values.float()) for kind, values in layer.gates(xs).items()}


def _raw_gates(layer: Fusion, xs: Sequence[Tensor], place: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    return {kind: values.float() for kind, values in layer.gates(xs).items()}


def _carried(layer: Fusion, xs: Sequence[Tensor], place: Callable[[Tensor], Tensor]) -> Tensor:
    return place(layer.carried(xs))


@contextmanager
def _recorded(
    network: nn.Module,
    reading: Callable[[Fusion, Sequence[Tensor], Callable[[Tensor], Tensor]], Read],
    offers: Callable[[Fusion], bool],
) -> Iterator[dict[str, Read]]:
    layers = require_layers(network)
    if not any(map(offers, layers.values())):
        named = ", ".join(kinds(layers.values()))
        raise InputError(f"{named} defines no gates, so what each task takes from the others is not known: define them")
    recorded: dict[str, Read] = {}
    members = {name: members_of(network, name, layer) for name, layer in layers.items()}
    tasks = len(set().union(*members.values()))

    def recorder(name: str) -> Callable[[Fusion, Any, Any], None]:
        def record(layer: Fusion, inputs: tuple[Sequence[Tensor]], output: Any) -> None:
            with torch.no_grad():
                recorded[name] = reading(
                    layer, inputs[0], partial(among_all, layer=layer, members=members[name], tasks=tasks)
                )

        return record

    handles = [layer.register_forward_hook(recorder(name)) for name, layer in layers.items() if offers(layer)]
    try:
        yield recorded
    finally:
        for handle in handles:
            handle.remove()


def flow(gates: Mapping[str, Tensor]) -> Tensor:
    """The mean weight of each source in each output of a layer, from its gates: (B, to, from), rows sum to one.

    It ignores how large the features are; :func:`record_flow` does not.

    Two mixes in a row are one mix, whose weights at channel c and pixel p are a product of matrices,
    :math:`w_{ij} = \\sum_k s_{ik}(p) \\, c_{kj}(c)`. Their mean over c and p is the product of the two means.

    >>> channel = torch.tensor([[0.75, 0.25], [0.25, 0.75]]).reshape(1, 2, 2, 1, 1, 1)
    >>> flow({"channel": channel, "spatial": channel})[0]
    tensor([[0.6250, 0.3750],
            [0.3750, 0.6250]])
    """
    means = [gates[kind].mean((3, 4, 5)) for kind in ("spatial", "channel") if kind in gates]
    total = means[0]
    for mean in means[1:]:
        total = total @ mean
    return total


@contextmanager
def cut_connection(network: nn.Module, layer: str, to: int, source: int) -> Iterator[None]:
    """Inside this context task `to` gets its own features at `layer` in place of those of `source`.

    The gates are still computed from all features, so the change in the output is what the connection was worth.
    Tasks are counted from 0 in the network's order.

    Raises:
        InputError: for a layer that does not exist (the message names the nearest) or that defines no cut, or for a
            task that does not take part.

    >>> from afanet import AFA, cut_connection
    >>> network = nn.ModuleDict({"stem": AFA(4, 2, (3, 3))})
    >>> x = [torch.rand(1, 4, 3, 3), torch.rand(1, 4, 3, 3)]
    >>> with cut_connection(network, "stem", to=0, source=1):
    ...     y = network["stem"](x)
    >>> bool(torch.allclose(y[0], x[0], atol=1e-6)), bool(torch.equal(y[1], network["stem"](x)[1]))
    (True, True)
    """
    layers = require_layers(network)
    if layer not in layers:
        raise unknown("fusion layer", layer, layers)
    fusion = layers[layer]
    members = members_of(network, layer, fusion)
    if (to, source) not in connections(network)[layer]:
        readers = ", ".join(str(members[reader]) for reader in fusion.readers)
        take = "" if len(fusion.readers) == len(members) else f", of which {readers} take"
        raise InputError(
            f"at {layer} {fusion.tasks} tasks meet, and cut_connection got to={to} and source={source}: "
            f"expected two of {members[0]} to {members[-1]}{take}"
        )
    to, source = (members.index(task) for task in (to, source))
    if not fusion.offers_cut:
        raise InputError(f"{type(fusion).__name__} at {layer} defines no cut, so none of its connections can be cut")
    inside = False

    def replace(layer: Fusion, inputs: tuple[Sequence[Tensor], ...], output: Any) -> Any:
        nonlocal inside
        if inside:
            return output
        inside = True
        try:
            xs, *prefixes = inputs
            changed = layer.cut(xs, to, source)
            for prefix in prefixes:  # fuse_prefix is linear in it, so the input of `source` can be swapped
                tokens = list(output[layer.tasks :])
                tokens[to] = layer.fuse_prefix(xs, [prefix[to] if i == source else x for i, x in enumerate(prefix)])[to]
                changed = [*changed, *tokens]
            return changed
        finally:
            inside = False

    handle = fusion.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()


def require_layers(network: nn.Module) -> dict[str, Fusion]:
    """The fusion layers by name; raises `InputError` for a network without any."""
    layers = fusion_layers(network)
    if not layers:
        raise InputError("the network has no fusion layer: its tasks meet nowhere and share no features")
    return layers
