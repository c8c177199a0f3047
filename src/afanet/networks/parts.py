"""The parts of a network that can be frozen: their layers, and parameters outside these layers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from torch import nn

from afanet.errors import InputError, unknown
from afanet.networks.backbones import Backbone
from afanet.networks.freeze import SEVERAL, STAGES, TASK, frozen_stages
from afanet.networks.frozen import batch_norms, layers_up_to
from afanet.networks.woven import SHARED_EXPERT, Woven


@dataclass(frozen=True)
class Part:
    """Whole layers of a network, and single parameters (`own`) of other layers."""

    layers: list[nn.Module] = field(default_factory=list)
    own: list[nn.Parameter] = field(default_factory=list)

    def __add__(self, other: Part) -> Part:
        return Part([*self.layers, *other.layers], [*self.own, *other.own])

    def parameters(self) -> Iterator[nn.Parameter]:
        """All parameters in the part."""
        for layer in self.layers:
            yield from layer.parameters()
        yield from self.own


def find_part(network: Woven, what: str, old: Collection[str] = ()) -> Part:
    """The part of a network by `create_network` that `what` names, see `freeze_fault`; "old" names the tasks in `old`.

    A task's part is everything that only this task uses: its head, its own stages, and the fusion layers or attention
    in which it alone reads. The part of `old` tasks also has their common trunk and the layers in which they read.

    Raises:
        InputError: for a task that does not exist, and for "old" in a method in which tasks that join change the
            features of the others.

    >>> from afanet import Pooled, create_network
    >>> network = create_network("hard", {"age": Pooled(8), "gender": Pooled(2)}, "resnet18", size=(64, 64))
    >>> [type(layer).__name__ for layer in find_part(network, "task:age").layers]
    ['PooledLinear']
    """
    branches = dict(network.branches.named_children())
    if what == "heads":
        return Part([branch.get_submodule("head") for branch in branches.values()])
    if what == "backbone":
        return Part(_all_bodies(network))
    if what == "norms":
        return Part([norm for body in _all_bodies(network) for norm in batch_norms(body)])
    if STAGES.fullmatch(what):
        return _stages(network, what)
    tasks = list(old)
    if what == SEVERAL and network.decodes:
        raise InputError(
            "freeze is 'old', but in a method with a decoder, tasks that join change the features of the others: "
            "freeze 'backbone', or choose a method without a decoder"
        )
    if what.startswith(TASK):
        tasks = [what.removeprefix(TASK)]
        if tasks[0] not in branches:
            raise unknown("task to freeze", tasks[0], branches)
    trunk = _trunk(network)
    part = Part(_reading(network, tasks))
    for task in tasks:
        part += _without(branches[task], trunk)
    if not what.startswith(TASK):
        leader = next(iter(branches.values()))
        common = Part([], [parameter for parameter in leader.parameters() if parameter in trunk])
        part += Part(list(_whole(leader, trunk)), common.own)
    return part


def _all_bodies(network: Woven) -> list[nn.Module]:
    """The backbones (or parts of them) of all branches, and the shared expert if there is one."""
    owners = [branch for _, branch in network.branches.named_children()]
    owners += [layer for name, layer in network.fusion.named_children() if name == SHARED_EXPERT]
    return [body for owner in owners for body in _bodies(owner)]


def _bodies(branch: nn.Module) -> list[nn.Module]:
    """The backbone (or part of it) of a branch; none if the branch uses another's trunk."""
    return [child for name, child in branch.named_children() if name == "backbone"]


def _stages(network: Woven, what: str) -> Part:
    leader, *_ = [branch for _, branch in network.branches.named_children()]
    body = leader.get_submodule("backbone")
    assert isinstance(body, Backbone)
    count = frozen_stages([what], body.name, len(body.stages))
    layers, own = layers_up_to(body, body.stages[count - 1])
    part = Part()
    for mine in _all_bodies(network):
        modules, parameters = dict(mine.named_modules()), dict(mine.named_parameters())
        part += Part(
            [modules[name] for name in layers if name in modules],
            [parameters[name] for name in own if name in parameters],
        )
    return part


def _trunk(network: Woven) -> set[nn.Parameter]:
    """The parameters of the first branch's backbone of which other branches have no copy of their own."""
    leader, *others = [branch for _, branch in network.branches.named_children()]
    if not others:
        return set()
    first = {f"backbone.{name}": p for body in _bodies(leader) for name, p in body.named_parameters()}
    shared = set()
    for name, parameter in first.items():
        theirs = [dict(branch.named_parameters()).get(name) for branch in others]
        if any(other is None or other is parameter for other in theirs):
            shared.add(parameter)
    return shared


def _reading(network: Woven, tasks: Collection[str]) -> list[nn.Module]:
    """The layers in which only these tasks read: their own attention, and fusion layers."""
    if not network.members:
        return [layer for name, layer in network.fusion.named_children() if name in tasks]
    layers = []
    for name, numbers in network.members.items():
        layer, members = network.fusion.get_submodule(name), [network.tasks[number] for number in numbers]
        readers = [members[number] for number in getattr(layer, "readers", range(len(members)))]
        if set(readers) <= set(tasks):
            layers.append(layer)
    return layers


def _without(module: nn.Module, trunk: Collection[nn.Parameter]) -> Part:
    """The outermost layers without a parameter of the trunk, and all other parameters that are not the trunk's."""
    mine = list(module.parameters())
    if mine and not any(parameter in trunk for parameter in mine):
        return Part([module])
    part = Part([], [parameter for parameter in module.parameters(recurse=False) if parameter not in trunk])
    for child in module.children():
        part += _without(child, trunk)
    return part


def _whole(module: nn.Module, trunk: Collection[nn.Parameter]) -> Iterator[nn.Module]:
    """The outermost layers all of whose parameters are the trunk's."""
    mine = list(module.parameters())
    if mine and all(parameter in trunk for parameter in mine):
        yield module
        return
    for child in module.children():
        yield from _whole(child, trunk)
