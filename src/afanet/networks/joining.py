"""Joins branches into one network: as one graph if they can be traced, else as coroutines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from afanet.errors import InputError
from afanet.networks.compose import Composer
from afanet.networks.coroutines import Coroutines
from afanet.networks.fitting import Layers
from afanet.networks.given import checked_tasks, example_for, require_fusion
from afanet.networks.layout import Point
from afanet.networks.meetings import meetings_at, one_way
from afanet.networks.points import Points, points_by_task, require_layers
from afanet.networks.recognise import Observed
from afanet.networks.record import Record
from afanet.networks.sharing import share_trunk
from afanet.networks.stops import Stop
from afanet.networks.trace import IMAGE, Trace, UntraceableError, attribute, takes_by_name
from afanet.networks.undisturbed import in_mode
from afanet.networks.verify import can_learn, require_sound
from afanet.networks.woven import Program, Woven, plant


class Joining:
    """The checked arguments of :func:`~afanet.networks.weaving.weave`, and the two ways to make a network of them.

    Arguments and errors are those of `weave`. With `alike`, the branches are equal up to their last point: one branch
    shows where all meet, and a task's output need not depend on its fused features. Groups of tasks in `added` take
    from the tasks before them without giving, see `one_way`.
    """

    def __init__(
        self,
        branches: Mapping[str, nn.Module],
        at: Points | Sequence[Points] | Mapping[str, Points],
        fusion: Callable[..., nn.Module] | None,
        *,
        share: str | None,
        example: Tensor | Sequence[int] | None,
        adapt: bool = False,
        alike: bool = False,
        added: Sequence[Sequence[str]] = (),
    ) -> None:
        tasks = checked_tasks(branches)
        self.added = added
        self.branches, self.share, self.points, self.alike = branches, share, points_by_task(tasks, at), alike
        require_fusion(fusion, needed=bool(self.points[tasks[0]]))
        self.named = {task: [point.name for point in points] for task, points in self.points.items()}
        for task, names in self.named.items():
            names += [share] if share and share not in names else []
            require_layers(task, branches, names)
        self.image = example_for(branches, example)
        self.make = Layers(fusion, self.image, adapt)
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)

    def woven(self) -> Woven:
        """The network, after it has run once as a check."""
        if not any(self.named.values()):
            return Woven(self.branches, {}, dict.fromkeys((False, True), _side_by_side(self.branches)))
        with torch.inference_mode(not all(map(can_learn, self.branches.values()))):  # gradients show what is used
            try:
                woven = self._sound(self.by_tracing())
            except UntraceableError:
                woven = self._sound(self.by_coroutines())
        woven.declared = self.declared
        woven.members = {m.name: tuple(map(woven.tasks.index, m.layouts)) for stop in self.stops for m in stop.meetings}
        return woven

    def _sound(self, woven: Woven) -> Woven:
        """The network, after it has run once without a fault."""
        require_sound(woven, self.image, {} if self.alike else self.records, self.stops, self.share)
        return woven

    @cached_property
    def records(self) -> dict[str, Record]:
        """The record of each branch running by itself."""
        return {
            task: self.first if branch is self.first.branch else self._record(task)
            for task, branch in self.branches.items()
        }

    @cached_property
    def first(self) -> Record:
        """The record of the first branch running by itself."""
        return self._record(next(iter(self.branches)))

    def _record(self, task: str) -> Record:
        return Record(task, self.branches[task], self.named[task], example=self.image, fake=self.fake)

    @cached_property
    def stops(self) -> list[Stop]:
        """The points where the branches meet, in the order in which they run."""
        if not any(self.points.values()):
            return []
        seen = dict.fromkeys(self.branches, self.first) if self.alike else self.records
        stops = []
        for step in _steps(seen, self.points, self.share):
            meetings = meetings_at(seen, step, self.make.adapt)
            if self.added:
                meetings = [part for meeting in meetings for part in one_way(meeting, self.added)]
            stops.append(Stop({task: point.name for task, point in step.items()}, meetings))
        return stops

    @property
    def declared(self) -> tuple[int, int, int, int] | None:
        """(H, W) of a token grid that is declared or in windows and that no layer gives, and (H, W) of its images."""
        declares = any(point.layout for points in self.points.values() for point in points)
        layouts = [layout for stop in self.stops for meeting in stop.meetings for layout in meeting.layouts.values()]
        alone = [layout for layout in layouts if (declares or layout.windows) and layout.grid_of is None]
        grids = [layout.grid for layout in alone if layout.grid]
        return (*grids[0], *self.image.shape[2:]) if grids else None

    @cached_property
    def layers(self) -> dict[str, nn.Module]:
        """The fusion layers, by meeting."""
        return {meeting.name: self.make(meeting) for stop in self.stops for meeting in stop.meetings}

    def by_tracing(self) -> Woven:
        """The branches as one graph for each mode; raises `UntraceableError` if they cannot be traced."""
        layers, programs = self.layers, {}
        used: dict[str, set[str]] = {task: set() for task in self.branches}
        for training in (False, True):
            composer = Composer(self._traces(training), self.share)
            for stop in self.stops:
                composer.meet(stop.layers, stop.meetings, layers)
            programs[training] = Program(composer.finish())
            used = {task: used[task] | composer.used[task] for task in self.branches}
        kept = dict(self.branches)
        if self.share:
            kept |= {task: _only(self.branches[task], used[task]) for task in list(self.branches)[1:]}
        return Woven(kept, layers, programs)

    def by_coroutines(self) -> Woven:
        """The branches as they are; each runs by itself from point to point."""
        trunk = share_trunk(self.records, self.share) if self.share else None
        program = Coroutines(list(self.branches), self.stops, trunk)
        return Woven(self.branches, self.layers, dict.fromkeys((False, True), program))

    def _traces(self, training: bool) -> dict[str, Trace]:
        traces = {}
        for task, branch in self.branches.items():
            with in_mode(branch, training):
                traces[task] = Trace(task, branch, self.named[task], self.image)
        return traces


def _side_by_side(branches: Mapping[str, nn.Module]) -> Program:
    graph = fx.Graph()
    image = graph.placeholder("image")
    calls = {
        task: graph.call_module(f"branches.{task}", *(((), {IMAGE: image}) if takes_by_name(branch) else ((image,),)))
        for task, branch in branches.items()
    }
    graph.output(calls)
    return Program(graph)


def _steps(
    seen: Mapping[str, Observed], points: Mapping[str, Sequence[Point]], share: str | None
) -> list[dict[str, Point]]:
    """For every meeting one point of each branch, in the order in which they run."""
    ordered = {}
    for task, branch in seen.items():
        position = {point.name: branch.position(point.name) for point in points[task]}
        ordered[task] = sorted(points[task], key=lambda point: position[point.name])
        early = [point.name for point in ordered[task] if share and position[point.name] < branch.position(share)]
        if early:
            raise InputError(
                f"branches cannot meet at '{early[0]}', which lies in the trunk they share up to '{share}'"
            )
    return [dict(zip(seen, step, strict=True)) for step in zip(*ordered.values(), strict=True)]


def _only(branch: nn.Module, paths: set[str]) -> nn.Module:
    """A branch without its trunk: only the modules and parameters at these paths, under their names."""
    rest = nn.Module()
    for path in sorted(paths):
        plant(rest, path, attribute(branch, path))
    return rest
