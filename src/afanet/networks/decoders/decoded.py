"""Builds the network of backbones, a decoder and heads, as one program for each mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx, nn

from afanet.errors import InputError
from afanet.networks.backbones.padding import cut
from afanet.networks.branches import SingleTask
from afanet.networks.decoders.decoder import Decoder
from afanet.networks.freeze import of_trunk
from afanet.networks.heads.head import taken
from afanet.networks.methods import Method, listed
from afanet.networks.outputs import Output, Pooled
from afanet.networks.woven import Program, Woven, plant


def decoded(
    branches: Mapping[str, SingleTask], make: type[Decoder], outputs: Mapping[str, Output], example: Sequence[int]
) -> Woven:
    """A network in which features go from the backbones through a decoder to the heads.

    In training it also gives each task's initial predictions, as ``TASK.0``, ``TASK.1`` and so on.

    Args:
        branches: the branches, whose heads take the decoder's features; if all share one backbone, the first keeps it.
        make: the decoder's class; its layers become the network's ``fusion``.
        outputs: each task's output.
        example: an image batch's shape.
    """
    first = next(iter(branches.values()))
    image = torch.empty(tuple(example), device="meta")
    size = (image if first.padding is None else first.padding(image)).shape[-2:]
    whole = _Whole(branches, make(first.backbone, outputs, size))
    graphs = {}
    for training in (False, True):
        whole.training = training
        graphs[training] = _Tracer().trace(whole)
    called = [str(node.target) for node in graphs[True].nodes if node.op == "call_module"]
    layers = dict.fromkeys(path.removeprefix("fusion.") for path in called if path.startswith("fusion."))
    fusion = {path: whole.fusion.layer(path) for path in layers}  # without layers for stages that no head takes
    programs = {training: Program(graph) for training, graph in graphs.items()}
    network = Woven(dict(whole.branches.named_children()), fusion, programs)
    network.decodes = True
    return network


def require_decodable(method: str, row: Method, outputs: Mapping[str, Output], freeze: Sequence[str]) -> None:
    """Raise `InputError` for pooled tasks if all must be dense, and for frozen backbones that would be mixed."""
    pooled = [task for task, output in outputs.items() if isinstance(output, Pooled)]
    if row.dense and pooled:
        raise InputError(
            f"method '{method}' refines maps at every scale for dense tasks, but '{pooled[0]}' is pooled: leave the "
            f"task out, or choose {listed(lambda row: not row.dense)}"
        )
    frozen = of_trunk(freeze)
    if row.decoder and not row.share and frozen:
        raise InputError(
            f"method '{method}' mixes backbones, which would all be the same with freeze={frozen[0]!r}: leave it out, "
            f"or choose {listed(lambda row: row.share)}"
        )


class _Whole(nn.Module):
    """The module that is traced; its layers have their names in the final network."""

    def __init__(self, branches: Mapping[str, SingleTask], decoder: Decoder) -> None:
        super().__init__()
        self.each = dict(branches)
        self.first, *others = branches
        own = [task for task in others if branches[task].backbone is not branches[self.first].backbone]
        self.owners = [self.first, *own]
        self.branches = nn.Module()
        for task, branch in branches.items():
            if task in self.owners:
                self.branches.add_module(task, branch)
            else:
                plant(self.branches, f"{task}.head", branch.head)
        self.fusion = decoder

    def forward(self, image: Any) -> dict[str, Any]:
        padding = self.each[self.first].padding
        whole = image if padding is None else padding(image)
        size = whole.shape[-2:]
        given = self.fusion(whole, [_maps(self.each[task].backbone, whole) for task in self.owners])
        outputs = {}
        for task, branch in self.each.items():
            outputs[task] = branch.head(taken(given.features[task], branch.head.takes), size)
            for number, x in enumerate(given.early[task] if self.training else ()):
                outputs[f"{task}.{number}"] = self.fusion.layer(f"{task}.initial.{number}")(x, size)
        if padding is None:
            return outputs
        dense = {task: branch.head.output == "dense" for task, branch in self.each.items()}
        return {name: cut(y, image.shape[-2:]) if dense[name.partition(".")[0]] else y for name, y in outputs.items()}


def _maps(backbone: Any, image: Any) -> list[Any]:
    """The maps of each stage; while it is traced, the backbone's output has no length."""
    maps = backbone(image)
    return [maps[stage] for stage in range(len(backbone.given))]


class _Tracer(fx.Tracer):
    """Records calls of whole layers, and looks into the decoder; drops nodes on which no output depends."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not isinstance(m, Decoder)

    def trace(self, root: Any, concrete_args: dict[str, Any] | None = None) -> fx.Graph:
        graph = super().trace(root, concrete_args)
        for node in reversed(graph.nodes):
            node.type = None  # drop annotations, which the plain code cannot have
            if not node.users and node.op not in ("placeholder", "output"):
                graph.erase_node(node)
        return graph
