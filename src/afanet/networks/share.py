"""Branches woven on a frozen trunk that they share, whether a graph can be made of them or not."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from afanet.networks.trace import UntraceableError
from afanet.networks.trunk import Trunk
from afanet.networks.woven import Woven


def with_trunk(join: Callable[..., Woven], share: str | None, trunk: Trunk | None, *, must: bool) -> Woven:
    """The network that `join` weaves of branches which share a trunk.

    Where no graph can be made of the branches, each calls the layers of the frozen trunk itself; these are the same
    modules then, and compute once a pass.

    Args:
        join: weaves the branches, with the layer up to which they share as `share`.
        share: that layer; None if they share nothing.
        trunk: their frozen trunk, None if there is none.
        must: whether they must share even if no graph can be made of them.

    Raises:
        InputError: where branches that must share cannot be traced, and as `weave` does.
    """
    try:
        network = join(share=share)
        network.trunk = trunk
        return network
    except UntraceableError:
        if must or trunk is None:
            raise
    network = join()
    first, *others = network.tasks
    for layer in trunk.layers:
        path = layer.removeprefix(f"branches.{first}.")
        parent, _, name = path.rpartition(".")
        for task in others:
            branch: nn.Module = network.branches.get_submodule(task)
            setattr(branch.get_submodule(parent), name, network.get_submodule(layer))
    network.in_common = trunk.let_compute(network.maps(first))
    network.trunk = trunk if network.in_common else None
    return network
