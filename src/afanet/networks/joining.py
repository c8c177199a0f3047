"""Branches become one network: as one graph where they can be traced, else as coroutines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial

from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from afanet.errors import InputError
from afanet.networks.compose import Composer, meetings_at
from afanet.networks.coroutines import Coroutines
from afanet.networks.fitting import Layers
from afanet.networks.layout import Point
from afanet.networks.recognise import Observed
from afanet.networks.record import Record
from afanet.networks.sharing import share_trunk
from afanet.networks.stops import Stop
from afanet.networks.trace import Trace, attribute
from afanet.networks.undisturbed import in_mode
from afanet.networks.woven import Program, Woven, plant


class Joining:
    """What `weave` was given, checked, and the two ways to a network.

    Args:
        branches: by task.
        points: by task, equally many.
        fusion: makes the layer for each meeting.
        share: the last layer of a common trunk.
        image: an example, of which only shape, type and device count.
        adapt: whether features of different shapes may meet.
    """

    def __init__(
        self,
        branches: Mapping[str, nn.Module],
        points: Mapping[str, Sequence[Point]],
        fusion: Callable[..., nn.Module] | None,
        share: str | None,
        image: Tensor,
        adapt: bool,
    ) -> None:
        self.branches, self.points, self.share, self.image = branches, points, share, image
        self.make = Layers(fusion, image, adapt)
        self.named = {task: [point.name for point in points[task]] for task in branches}
        for names in self.named.values():
            names += [share] if share and share not in names else []

        self.fake = FakeTensorMode(allow_non_fake_inputs=True)

    @cached_property
    def records(self) -> dict[str, Record]:
        """What each branch does by itself."""
        record = partial(Record, example=self.image, fake=self.fake)
        return {task: record(task, branch, self.named[task]) for task, branch in self.branches.items()}

    @cached_property
    def stops(self) -> list[Stop]:
        """Where the branches meet, as executed."""
        steps = _steps(self.records, self.points, self.share)
        stops = []
        for step in steps:
            meetings = meetings_at(self.records, step, self.make.adapt)
            stops.append(Stop({task: point.name for task, point in step.items()}, meetings))
        return stops

    @property
    def declared(self) -> tuple[int, int, int, int] | None:
        """(H, W) of a grid that no layer has, of a point that declares it or in windows, and (H, W) of its images."""
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
        """The branches as one graph for each mode; raises `UntraceableError` where they cannot be traced."""
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
        """The branches as they are, each of which runs by itself from point to point."""
        trunk = share_trunk(self.records, self.share) if self.share else None
        program = Coroutines(list(self.branches), self.stops, trunk)
        return Woven(self.branches, self.layers, dict.fromkeys((False, True), program))

    def _traces(self, training: bool) -> dict[str, Trace]:
        traces = {}
        for task, branch in self.branches.items():
            with in_mode(branch, training):
                traces[task] = Trace(task, branch, self.named[task], self.image)
        return traces


def _steps(
    seen: Mapping[str, Observed], points: Mapping[str, Sequence[Point]], share: str | None
) -> list[dict[str, Point]]:
    """One point a branch for every meeting, as executed."""
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
    """A branch without its trunk: the modules and parameters at these paths, under their names."""
    rest = nn.Module()
    for path in sorted(paths):
        plant(rest, path, attribute(branch, path))
    return rest
