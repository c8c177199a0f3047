"""The meetings of branches: which tensors of which tasks meet at a point, and which tasks read there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

from torch import nn

from afanet.errors import InputError
from afanet.names import layer_fault
from afanet.networks.contents import pick
from afanet.networks.layout import Layout, Point
from afanet.networks.recognise import layouts_of
from afanet.networks.record import Record

Shape = tuple[int, ...]  # (channels, height, width)


@dataclass(frozen=True)
class Meeting:
    """A tensor that every branch has at a point; each meeting gets its own fusion layer."""

    name: str  # the fusion layer's: the name of the first branch's layer, plus the key if it outputs several tensors
    key: Any  # the tensor's key in the layer's output; None if the output is this tensor
    layouts: Mapping[str, Layout]  # by task, for all tasks that take part
    shapes: Mapping[str, Shape]  # by task
    readers: tuple[str, ...]  # the tasks that get fused features; the others only give, and keep their own

    def part(self, name: str, tasks: Sequence[str], readers: Sequence[str]) -> Meeting:
        """The meeting of only some of its tasks, among which `readers` get fused features."""
        layouts = {task: self.layouts[task] for task in tasks}
        return Meeting(name, self.key, layouts, {task: self.shapes[task] for task in tasks}, tuple(readers))

    def takes_prefix(self, layer: nn.Module) -> bool:
        """Whether the layer also gets class and register tokens: it takes them, and all branches have as many."""
        counts = {layout.prefix for layout in self.layouts.values()}
        return counts != {0} and len(counts) == 1 and "prefix" in signature(layer.forward).parameters


def meetings_at(seen: Mapping[str, Record], points: Mapping[str, Point], adapt: bool) -> list[Meeting]:
    """The meetings at one point of every branch, with their shapes for the example image.

    With `adapt`, the shapes may differ, but not the number of tensors in a layer's output. If a layer outputs several
    tensors, those that a branch uses meet; if no branch uses any, all meet.

    Raises:
        InputError: if the branches have different features there.
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
                f"layer '{points[leader].name}'{item} of branch '{leader}' outputs a tensor without channels: meet at "
                "a layer inside it"
            )
        if key is not None and (fault := layer_fault(str(key))):
            raise InputError(
                f"layer '{points[leader].name}' of branch '{leader}' outputs a dict whose key {fault}: rename it"
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
    """A meeting of all tasks, split: one part for the first tasks, then one for each group in `added`.

    A group takes from its own tasks and from all tasks before it. These neither see the group nor change. Its part is
    named after its first task.
    """
    ours = [task for task in meeting.layouts if not any(task in group for group in added)]
    if len(ours) > 1:
        yield meeting.part(meeting.name, ours, ours)
    for group in added:
        ours = [*ours, *group]
        yield meeting.part(f"{group[0]}.{meeting.name}", ours, group)
