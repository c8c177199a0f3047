"""Several traced branches as one graph: all stop at a point, a fusion layer runs, and all go on."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import zip_longest
from typing import Any, cast

from torch import fx, nn

from afanet.errors import InputError
from afanet.names import layer_fault
from afanet.networks.contents import keys_of, pick
from afanet.networks.layout import Layout, Point, where_of
from afanet.networks.recognise import layouts_of
from afanet.networks.record import Record
from afanet.networks.trace import Trace, UntraceableError, attribute

Shape = tuple[int, ...]  # (channels, height, width)


@dataclass(frozen=True)
class Meeting:
    """One tensor that every branch has at a point; each meeting gets a fusion layer."""

    name: str  # of the fusion layer: the first branch's layer, and the key if it outputs several tensors
    key: Any  # the tensor's key in the layer's output; None if the output is this tensor
    layouts: Mapping[str, Layout]  # of the tasks that take part
    shapes: Mapping[str, Shape]  # by task
    readers: tuple[str, ...]  # the tasks that get fused features; the others give theirs, and keep them

    def part(self, name: str, tasks: Sequence[str], readers: Sequence[str]) -> Meeting:
        """The meeting of some of its tasks, of which `readers` get fused features."""
        layouts = {task: self.layouts[task] for task in tasks}
        return Meeting(name, self.key, layouts, {task: self.shapes[task] for task in tasks}, tuple(readers))

    def takes_prefix(self, layer: nn.Module) -> bool:
        """Whether the layer gets class and register tokens too: each branch has as many, and it has an argument."""
        counts = {layout.prefix for layout in self.layouts.values()}
        return counts != {0} and len(counts) == 1 and "prefix" in signature(layer.forward).parameters


def meetings_at(seen: Mapping[str, Record], points: Mapping[str, Point], adapt: bool) -> list[Meeting]:
    """The meetings at one point of every branch, with the shapes that the example image gives them.

    With `adapt` the shapes may differ, but not how many tensors a layer puts out. Of several tensors those meet that a
    branch uses; where none uses any, all do.

    Raises:
        InputError: where the branches have different features there.
    """
    leader = next(iter(seen))
    layers = {task: point.name for task, point in points.items()}
    used = set().union(*(record.used(layers[task]) for task, record in seen.items()))
    layouts = {task: layouts_of(record, layers[task], points[task].layout, used) for task, record in seen.items()}
    shapes = {
        task: {
            key: tuple(layout.enter(pick(branch.output(layers[task]), key)).shape[1:])
            for key, layout in layouts[task].items()
        }
        for task, branch in seen.items()
    }
    alike = list if adapt else dict  # the same tensors, or tensors of the same shapes too
    if any(alike(shapes[task]) != alike(shapes[leader]) for task in seen):
        have = "; ".join(f"'{task}' has {list(shapes[task].values())} at '{points[task].name}'" for task in seen)
        raise InputError(
            f"the branches disagree at layer '{points[leader].name}' in (channels, height, width): {have}: "
            "meet at layers with equal features" + ("" if adapt else ", or pass adapt=True to adapt their shapes")
        )
    for key, (channels, *_) in shapes[leader].items():
        if channels < 1:
            item = "" if key is None else f"[{key!r}]"
            raise InputError(
                f"layer '{points[leader].name}'{item} of branch '{leader}' puts out a tensor without channels: meet at "
                "a layer inside it"
            )
        if key is not None and (fault := layer_fault(str(key))):
            raise InputError(
                f"layer '{points[leader].name}' of branch '{leader}' puts out a dict whose key {fault}: rename it"
            )
    return [
        Meeting(
            name=points[leader].name if key is None else f"{points[leader].name}.{key}",
            key=key,
            layouts={task: layouts[task][key] for task in seen},
            shapes={task: shapes[task][key] for task in seen},
            readers=tuple(seen),
        )
        for key in shapes[leader]
    ]


def one_way(meeting: Meeting, added: Sequence[Sequence[str]]) -> Iterator[Meeting]:
    """A meeting of all tasks in parts: that of the first tasks, then one for each group of tasks that was `added`.

    A group takes from its own tasks and from all before it, which neither see it nor change. Its part is named after
    its first task.
    """
    ours = [task for task in meeting.layouts if not any(task in group for group in added)]
    if len(ours) > 1:
        yield meeting.part(meeting.name, ours, ours)
    for group in added:
        ours = [*ours, *group]
        yield meeting.part(f"{group[0]}.{meeting.name}", ours, group)


class Composer:
    """Copies the traces' nodes into one graph, the branches in turn from point to point.

    Args:
        traces: of all branches, by task, all in one mode.
        share: the layer up to which the first branch serves all.

    Attributes:
        used: per task the paths of all modules and parameters that the graph takes from its branch.

    Raises:
        InputError: where the branches are not alike up to the shared layer.
    """

    def __init__(self, traces: Mapping[str, Trace], share: str | None) -> None:
        self.used: dict[str, set[str]] = {task: set() for task in traces}
        self._traces = traces
        self._graph = fx.Graph()
        self._recorder = fx.proxy.GraphAppendingTracer(self._graph)
        image = self._graph.placeholder("image")
        # what every node of a branch became: a node of the graph, or a list, tuple or dict of nodes
        self._became: dict[str, dict[fx.Node, Any]] = {task: {trace.nodes[0]: image} for task, trace in traces.items()}
        if share is not None:
            self._share(share)

    def meet(self, layers: Mapping[str, str], meetings: Sequence[Meeting], fusion: Mapping[str, nn.Module]) -> None:
        """Run every branch up to its layer, then fuse their features there in the fusion layers of the meetings."""
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
        """Run every branch to its end; returns the graph, whose output is ``{task: output}``."""
        for task, trace in self._traces.items():
            self._advance(task, trace.nodes[-2])
        outputs = {
            task: fx.node.map_arg(trace.nodes[-1].args[0], self._became[task].__getitem__)
            for task, trace in self._traces.items()
        }
        self._graph.output(outputs)
        return self._graph

    def _grid(self, task: str, layout: Layout, output: Any) -> Any:
        """The (H, W) of the patches in the graph, where a layer has it; else None, and the layout's own is meant."""
        if isinstance(layout.grid_of, str):
            layer = next((node for node in self._traces[task].nodes if node.target == layout.grid_of), None)
            if layer is None:
                raise UntraceableError(
                    f"the grid of patches in branch '{task}' follows from '{layout.grid_of}', which the graph holds no "
                    "call of"
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
    """What must be equal in two branches to share a node: the call, and the shapes of its tensors."""
    shapes = {}
    if node in trace.constants:  # each trace numbers them anew
        constant = attribute(trace.branch, str(node.target))
        return node.op, constant.dtype, constant.shape, None if constant.is_meta else constant.tolist()
    if node.op == "call_module":
        tensors = trace.branch.get_submodule(str(node.target)).state_dict()
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
    return node.op, node.target, shapes
