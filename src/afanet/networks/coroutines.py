"""Branches that cannot be traced run side by side as coroutines, and stop where they meet."""

from __future__ import annotations

import contextvars
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.install import missing_package
from afanet.networks.replay import replay
from afanet.networks.sharing import SharedTrunk
from afanet.networks.stops import Stop, grid_at
from afanet.networks.trace import call


class Coroutines:
    """Runs every branch's own forward, each in a coroutine that stops after the layers where branches meet.

    When all branches have reached a point, its fusion layers run, and each branch goes on with its fused features in
    place of the layer's output. An error in one branch ends all. While a network is exported, its branches are replayed
    from point to point instead.

    Args:
        tasks: the branches in their order.
        stops: the points where they meet, in the order in which they run.
        trunk: the layers that all branches share.

    Attributes:
        wanted: the tasks whose outputs are returned; any other branch ends where it last meets these.
        parts: the programs for some of the tasks that were requested so far, by the tasks' names.

    Raises:
        InputError: if the package greenlet is missing.
    """

    def __init__(self, tasks: Sequence[str], stops: Sequence[Stop], trunk: SharedTrunk | None = None) -> None:
        _greenlet()
        self.tasks = list(tasks)
        self.stops = list(stops)
        self.trunk = trunk
        self.wanted = self.tasks
        self.parts: dict[str, Coroutines] = {}

    def __call__(self, network: nn.Module, image: Tensor) -> dict[str, Any]:
        if torch.compiler.is_exporting():
            return replay(network, self.wanted, self.stops, self.trunk, image)
        with _Pass.of(network, self.tasks, self.stops, self.trunk, image) as running:
            running.advance(dict.fromkeys(self.tasks))
            go_on = [*(stop.layers for stop in self.stops[1:]), self.wanted]
            for stop, tasks in zip(self.stops, go_on, strict=False):
                running.require_at(stop)
                fused = stop.meet(network, running.came, running.grids)
                running.advance({task: fused[task] for task in tasks})
            running.require_ended()
            return running.came

    def only(self, network: nn.Module, tasks: Sequence[str]) -> Coroutines:
        """The program for some tasks: it runs the branches that they need, as far as they need them."""
        needed, stops = list(tasks), list[Stop]()
        for stop in reversed(self.stops):
            meetings = [meeting for meeting in stop.meetings if not set(needed).isdisjoint(meeting.readers)]
            sources = set(needed).union(*(meeting.layouts for meeting in meetings))
            needed = [task for task in self.tasks if task in sources]
            stops.insert(0, Stop({task: stop.layers[task] for task in needed}, meetings))
        part = Coroutines(needed, stops, self.trunk)
        part.wanted = list(tasks)
        return part

    @property
    def source(self) -> str:
        """What the program runs, in words."""
        lines = ["# each branch runs its own forward, as a coroutine that stops where it meets the others"]
        for task in self.tasks:
            last = next((stop.layers[task] for stop in reversed(self.stops) if task in stop.layers), "")
            lines.append(f"{task}: branches.{task}(image)" + ("" if task in self.wanted else f" up to {last}"))
        if self.trunk is not None:
            lines.append(f"once for all: branches.{self.trunk.task} up to {self.trunk.layer}")
        for stop in self.stops:
            layers = ", ".join(f"branches.{task}.{layer}" for task, layer in stop.layers.items())
            lines += [f"after {layers}: fusion.{meeting.name}" for meeting in stop.meetings]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Arrival:
    """A branch has reached a layer, with this output of the layer."""

    layer: str
    output: Any


class _Pass:
    """One forward pass: the coroutines, the layer at which each is, and its output there or its final result."""

    def __init__(self, branches: dict[str, nn.Module], image: Tensor) -> None:
        greenlet = _greenlet()
        self.hub = greenlet.getcurrent()
        self.current = greenlet.getcurrent
        self.coroutines = {task: greenlet.greenlet(partial(call, branch, image)) for task, branch in branches.items()}
        for coroutine in self.coroutines.values():
            coroutine.gr_context = contextvars.copy_context()
        self.state = _state_of_torch()
        self.calls: dict[str, Counter[str]] = {task: Counter() for task in branches}
        self.grids: dict[str, dict[str, Sequence[int]]] = {task: {} for task in branches}
        self.at: dict[str, str | None] = {}
        self.came: dict[str, Any] = {}

    @classmethod
    @contextmanager
    def of(
        cls, network: nn.Module, tasks: Sequence[str], stops: Sequence[Stop], trunk: SharedTrunk | None, image: Tensor
    ) -> Iterator[_Pass]:
        """A context in which all branches are ready to start; after it, none runs and all hooks are removed."""
        branches = {task: network.get_submodule(f"branches.{task}") for task in tasks}
        running = cls(branches, image)
        hooks = []
        try:
            for task, branch in branches.items():
                for layer in (stop.layers[task] for stop in stops if task in stop.layers):
                    wait = partial(running.wait, task, layer)
                    # before the branch's own hooks, which then see the fused features
                    hooks.append(branch.get_submodule(layer).register_forward_hook(wait, prepend=True))
                for layer in {layer for stop in stops for layer in stop.maps.get(task, ())}:
                    note, module = partial(running.note, task, layer), branch.get_submodule(layer)
                    hooks.append(module.register_forward_hook(note, prepend=True, with_kwargs=True))
            with trunk.computed_once(network, running.counted) if trunk else nullcontext():
                yield running
        finally:
            for hook in hooks:
                hook.remove()
            for coroutine in running.coroutines.values():
                if not coroutine.dead:
                    coroutine.throw()  # ends it at its current layer

    def advance(self, given: dict[str, Any]) -> None:
        """Let every branch in turn go on, with its fused features, to its next point or its end.

        A branch that is not in `given` ends at its current layer.
        """
        for task, coroutine in self.coroutines.items():
            if task not in given:
                if not coroutine.dead:
                    coroutine.throw()
                    del self.at[task], self.came[task]
                continue
            came = coroutine.switch(given[task]) if task in self.at else coroutine.switch()
            is_there = isinstance(came, _Arrival) and not coroutine.dead
            self.at[task], self.came[task] = (came.layer, came.output) if is_there else (None, came)

    def counted(self) -> Counter[str] | None:
        """How often the branch that runs now has called the trunk's layers so far; None in another thread."""
        current = self.current()
        return next((self.calls[task] for task, run in self.coroutines.items() if run is current), None)

    def note(self, task: str, layer: str, module: nn.Module, args: Any, keywords: Any, output: Any) -> None:
        """A hook: note the (H, W) of a map in this pass."""
        if self.current() is self.coroutines[task]:
            self.grids[task][layer] = grid_at(args, keywords, output)

    def wait(self, task: str, layer: str, module: nn.Module, args: Any, output: Any) -> Any:
        """A hook: hand a layer's output to the hub, and go on with the result. Other threads are not stopped."""
        if self.current() is not self.coroutines[task]:
            return None
        if (state := _state_of_torch()) != self.state:
            changed = ", ".join(what for what, before in self.state.items() if state[what] != before)
            raise InputError(
                f"branch '{task}' is inside a context that changes {changed} at layer '{layer}', and branches cannot "
                "meet inside such a context: meet at another layer, or remove the context from the branch"
            )
        return self.hub.switch(_Arrival(layer, output))

    def require_at(self, stop: Stop) -> None:
        """Raise `InputError` if a branch is not at its layer, because its Python took another path."""
        for task, layer in stop.layers.items():
            if self.at[task] != layer:
                came = f"reached '{self.at[task]}'" if self.at[task] else "ended"
                raise InputError(
                    f"branch '{task}' {came} instead of calling layer '{layer}' once, where it meets the others: meet "
                    "at a layer that every image runs through, in training and in evaluation"
                )

    def require_ended(self) -> None:
        """Raise `InputError` if a branch calls a layer again at which it has already met the others."""
        for task, layer in self.at.items():
            if layer is not None:
                raise InputError(
                    f"branch '{task}' calls layer '{layer}' more than once, and branches can only meet at a layer that "
                    "is called once: name a layer around it, or put an nn.Identity where they should meet"
                )


def _state_of_torch() -> dict[str, Any]:
    """State that all coroutines of a thread share and that a branch may change, by its name in messages."""
    devices = [kind for kind in ("cpu", "cuda") if kind == "cpu" or torch.cuda.is_available()]
    return {
        "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "autocast": [(torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in devices],
        "the tensors saved for gradients (checkpointing)": torch._C._autograd._top_saved_tensors_default_hooks(True),
    }


def _greenlet() -> Any:
    try:
        import greenlet
    except ModuleNotFoundError:
        raise InputError(
            f"a branch cannot be traced, and to weave it without tracing {missing_package('greenlet', 'weave')}"
        ) from None
    return greenlet
