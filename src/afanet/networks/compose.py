"""Composes traced branches into one graph: all stop at a point, a fusion layer runs, and all go on."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, cast

from torch import fx, nn

from afanet.errors import InputError
from afanet.networks.contents import keys_of, pick
from afanet.networks.layout import Layout, where_of
from afanet.networks.meetings import Meeting
from afanet.networks.trace import Trace, UntraceableError, attribute


class Composer:
    """Copies the nodes of the traces into one graph, branch by branch from point to point.

    Args:
        traces: the traces of all branches, by task, all in the same mode.
        share: the layer up to which the first branch serves all branches.

    Attributes:
        used: for each task, the paths of all modules and parameters that the graph uses from its branch.

    Raises:
        InputError: if the branches are not alike up to the shared layer.
    """

    def __init__(self, traces: Mapping[str, Trace], share: str | None) -> None:
        self.used: dict[str, set[str]] = {task: set() for task in traces}
        self._traces = traces
        self._graph = fx.Graph()
        self._recorder = fx.proxy.GraphAppendingTracer(self._graph)
        image = self._graph.placeholder("image")
        # for every node of a branch: the node of the graph that it became, or a list, tuple or dict of nodes
        self._became: dict[str, dict[fx.Node, Any]] = {task: {trace.nodes[0]: image} for task, trace in traces.items()}
        if share is not None:
            self._share(share)

    def meet(self, layers: Mapping[str, str], meetings: Sequence[Meeting], fusion: Mapping[str, nn.Module]) -> None:
        """Advance every branch to its layer, then fuse their features there in the fusion layers of the meetings."""
        outputs = {
            task: self._proxy(self._advance(task, self._traces[task].calls[layer])) for task, layer in layers.items()
        }
        fused: dict[str, dict[Any, fx.Node]] = {task: {} for task in layers}
        for meeting in meetings:
            features = {task: pick(outputs[task], meeting.key) for task in meeting.layouts}
            grids = {task: self._grid(task, layout, outputs[task]) for task, layout in meeting.layouts.items()}
            entered = [
                _node(meeting.layouts[task].enter(x, grids[task], where_of(task, layers[task])))
                for task, x in features.items()
            ]
            given: list[Any] = [entered]
            if meeting.takes_prefix(fusion[meeting.name]):
                given.append([_node(meeting.layouts[task].enter_prefix(x)) for task, x in features.items()])
            together = self._proxy(self._graph.call_module(f"fusion.{meeting.name}", tuple(given)))
            for i, (task, x) in enumerate(features.items()):
                if task in meeting.readers:
                    prefix = together[len(features) + i] if len(given) == 2 else None
                    fused[task][meeting.key] = _node(meeting.layouts[task].leave(together[i], x, prefix))
        for task in [task for task in layers if fused[task]]:
            point = self._traces[task].calls[layers[task]]
            if None in fused[task]:
                self._became[task][point] = fused[task][None]
                continue
            value = self._traces[task].value(point)
            whole = {key: fused[task].get(key) or _node(outputs[task][key]) for key in keys_of(value)}
            self._became[task][point] = whole if isinstance(value, dict) else type(value)(whole.values())

    def finish(self) -> fx.Graph:
        """Advance every branch to its end; returns the graph, whose output is ``{task: output}``."""
        for task, trace in self._traces.items():
            self._advance(task, trace.nodes[-2])
        outputs = {
            task: fx.node.map_arg(trace.nodes[-1].args[0], self._became[task].__getitem__)
            for task, trace in self._traces.items()
        }
        self._graph.output(outputs)
        return self._graph

    def _grid(self, task: str, layout: Layout, output: Any) -> Any:
        """The (H, W) of the patches in the graph, if a layer has it; None means the layout's own grid."""
        if isinstance(layout.grid_of, str):
            layer = next((node for node in self._traces[task].nodes if node.target == layout.grid_of), None)
            if layer is None:
                raise UntraceableError(
                    f"the grid of patches in branch '{task}' follows from '{layout.grid_of}', which is not called in "
                    "the graph"
                )
            shape = getattr(self._traces[task].value(layer), "shape", ())
            if len(shape) != 4:
                raise UntraceableError(f"the grid of patches in branch '{task}' is given to '{layout.grid_of}'")
            return self._proxy(self._became[task][layer]).shape[2:]
        return None if layout.grid_of is None else output[layout.grid_of]

    def _proxy(self, node: fx.Node) -> Any:
        # layouts are written for tensors; a call on a proxy is recorded instead
        return fx.Proxy(node, self._recorder)

    def _share(self, share: str) -> None:
        leader, *others = self._traces
        self._advance(leader, self._traces[leader].calls[share])
        trunk = _up_to(self._traces[leader], share)
        for task in others:
            for ours, theirs in zip_longest(trunk, _up_to(self._traces[task], share)):
                if (
                    ours is None
                    or theirs is None
                    or _signature(self._traces[leader], ours) != _signature(self._traces[task], theirs)
                ):
                    our_layer, their_layer = ours and ours.target, theirs and theirs.target
                    raise InputError(
                        f"branches '{leader}' and '{task}' cannot share one trunk up to '{share}': "
                        f"'{our_layer}' of '{leader}' and '{their_layer}' of '{task}' are not alike; share up to an "
                        "earlier layer"
                    )
                self._became[task][theirs] = self._became[leader][ours]

    def _advance(self, task: str, until: fx.Node) -> Any:
        became = self._became[task]
        for node in self._traces[task].nodes:
            if node not in became:
                became[node] = self._copy(task, node, became)
            if node is until:
                break
        return became[until]

    def _copy(self, task: str, node: fx.Node, became: dict[fx.Node, Any]) -> Any:
        if node.target is operator.getitem:
            container, key = cast(tuple[Any, Any], fx.node.map_arg(node.args, became.__getitem__))
            if not isinstance(container, fx.Node):
                return container[key]
        copy = self._graph.node_copy(node, became.__getitem__)
        if node.op in ("call_module", "get_attr"):
            self.used[task].add(str(node.target))
            copy.target = f"branches.{task}.{node.target}"
        return copy


def _node(recorded: Any) -> fx.Node:
    return cast(fx.Node, recorded.node)


def _up_to(trace: Trace, layer: str) -> list[fx.Node]:
    return trace.nodes[: trace.nodes.index(trace.calls[layer]) + 1]


def _signature(trace: Trace, node: fx.Node) -> tuple[Any, ...]:
    """What must be equal in two branches that share a node: the call, and the shapes of its tensors."""
    shapes = {}
    if node in trace.constants:  # each trace gives them new numbers
        constant = attribute(trace.branch, str(node.target))
        return node.op, constant.dtype, constant.shape, None if constant.is_meta else constant.tolist()
    if node.op == "call_module":
        tensors = trace.branch.get_submodule(str(node.target)).state_dict()
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
    return node.op, node.target, shapes
