"""Frozen parts of a network: they get no gradient, and stay in evaluation mode whatever the mode of the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Self, cast

from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from afanet.errors import InputError
from afanet.networks.record import Record
from afanet.networks.sharing import layers_before, parameters_before

if TYPE_CHECKING:
    from afanet.networks.backbones import Backbone


class KeepsFrozen(nn.Module):
    """A module with parts that stay in evaluation mode: `frozen` has their paths."""

    frozen: tuple[str, ...] = ()

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode, except for frozen parts, which stay in evaluation mode."""
        super().train(mode)
        for path in self.frozen:
            self.get_submodule(path).eval()
        return self


def batch_norms(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The batch norms in a module."""
    return [inner for inner in module.modules() if isinstance(inner, nn.modules.batchnorm._BatchNorm)]


def freeze_norms(network: nn.Module) -> list[nn.Module]:
    """Freeze the batch norms of a network's backbones and keep them in evaluation mode; returns them."""
    bodies = [module for name, module in network.named_modules() if name.endswith(".backbone")]
    norms: list[nn.Module] = list(dict.fromkeys(norm for body in bodies for norm in batch_norms(body)))
    _freeze(norms)
    keep_frozen(network, norms)
    return norms


def freeze_stages(branches: Iterable[KeepsFrozen], stages: int) -> list[nn.Module]:
    """Freeze the first `stages` of the branches' backbones, which are all alike; returns the frozen layers."""
    frozen: list[nn.Module] = []
    if not stages:
        return frozen
    bodies = [cast("Backbone", branch.get_submodule("backbone")) for branch in branches]
    whole = stages == len(bodies[0].stages)
    layers, own = ([""], []) if whole else layers_up_to(bodies[0], bodies[0].stages[stages - 1])
    for body in bodies:
        frozen += [body.get_submodule(layer) for layer in layers]
        for name in own:
            body.get_parameter(name).requires_grad_(False)
    _freeze(frozen)
    for branch in branches:
        keep_frozen(branch, frozen)
    return frozen


def keep_frozen(network: nn.Module, frozen: Collection[nn.Module]) -> None:
    """Make a network, and each part that can, keep its layers among `frozen` in evaluation mode too."""
    kept = {inner for module in frozen for inner in module.modules()}  # weaving may take a module apart
    for part in network.modules():
        if isinstance(part, KeepsFrozen):
            names = list(part.frozen)
            for name, module in part.named_modules():
                if name and module in kept and not any(f"{name}.".startswith(f"{outer}.") for outer in names):
                    names.append(name)
            part.frozen = tuple(names)
    network.train(network.training)


def require_effect(network: KeepsFrozen, freeze: Sequence[str]) -> None:
    """Raise `InputError` if `freeze` freezes nothing, or leaves nothing to learn."""
    if freeze and not network.frozen:
        raise InputError("freeze is 'norms', but the backbone has no batch norm: leave it out, or freeze stages")
    if freeze and not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(
            f"freeze is '{', '.join(freeze)}', which leaves nothing to learn, because the heads have no parameters: "
            "freeze less, or choose another head"
        )


def layers_up_to(body: Backbone, end: str) -> tuple[list[str], list[str]]:
    """The part of a backbone that runs up to `end`, a stage or a block.

    Returns:
        The layers, in the order in which they run, and the names of the parameters outside these layers on which the
        output of `end` depends, such as position embeddings.

    >>> from afanet.networks.backbones import Backbone
    >>> layers_up_to(Backbone("resnet18"), "layer2.0")
    (['conv1', 'bn1', 'act1', 'maxpool', 'layer1', 'after_layer1', 'layer2.0'], [])
    """
    if body.whole:  # its layers may run in another order than they are defined
        image = next(body.parameters()).new_empty(()).expand(2, body.in_chans, *body.size)
        record = Record("backbone", body, [end], image, FakeTensorMode(allow_non_fake_inputs=True))
        return layers_before(record, end), parameters_before(record, end)
    *around, _ = accumulate(end.split("."), "{}.{}".format)
    layers = []
    for outer in ("", *around):
        start = f"{outer}." if outer else ""
        for name, _ in body.get_submodule(outer).named_children():
            layer = start + name
            if layer == end or end.startswith(f"{layer}."):
                break
            layers.append(layer)
    own = {outer: body.get_submodule(outer).named_parameters(recurse=False) for outer in ("", *around)}
    return [*layers, end], [f"{outer}.{name}".lstrip(".") for outer, named in own.items() for name, _ in named]


def frozen_end(body: Backbone, stages: int, meet: Sequence[str]) -> str | None:
    """The layer of a backbone up to which features are frozen and equal in all branches.

    Args:
        body: the backbone.
        stages: how many of its stages are frozen.
        meet: the layers where branches meet, in their order.

    Returns:
        The layer; "" for the whole backbone, and None if nothing is frozen.

    >>> from afanet.networks.backbones import Backbone
    >>> body = Backbone("resnet18")
    >>> frozen_end(body, 2, ["layer4.0", "layer4.1"]), frozen_end(body, 4, ["layer4.0", "layer4.1"])
    ('layer2', 'layer4.0')
    """
    if not stages:
        return None
    if stages == len(body.stages) and not meet:
        return ""
    ends: list[str] = [body.stages[stages - 1], *meet]
    return min(ends, key=_order(body).__getitem__)


def shared_layer(body: Backbone, stages: int, meet: Sequence[str], trunk: int | None) -> str | None:
    """The layer of a branch up to which all tasks share one trunk (frozen layers and `trunk` stages); None without one.

    The other arguments are those of `frozen_end`.
    """
    end = frozen_end(body, stages, meet)
    if end == "":
        return "backbone"
    ends = [end] if end else []
    if trunk:
        ends.append(body.stages[trunk - 1])
    return f"backbone.{max(ends, key=_order(body).__getitem__)}" if ends else None


def _order(body: Backbone) -> dict[str, int]:
    """Blocks and stages, numbered in the order in which they end; a stage ends with its last block."""
    names = [layer for blocks, stage in zip(body.blocks, body.stages, strict=True) for layer in (*blocks, stage)]
    return {layer: number for number, layer in enumerate(names)}


def _freeze(modules: Iterable[nn.Module]) -> None:
    for module in modules:
        module.requires_grad_(False).eval()
