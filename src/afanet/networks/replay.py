"""Exports branches that cannot be traced: each is replayed from its start for every point in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from torch import Tensor, nn

from afanet.errors import InputError
from afanet.networks.sharing import SharedTrunk
from afanet.networks.stops import Stop, grid_at
from afanet.networks.trace import call


def replay(
    network: nn.Module, tasks: Sequence[str], stops: Sequence[Stop], trunk: SharedTrunk | None, image: Tensor
) -> dict[str, Any]:
    """The outputs of tasks, computed in pieces that a tracer can follow, since it cannot follow coroutines.

    For each point, every branch that stops there runs from its start, with features that are already fused in place of
    its layers' outputs. Only its output at the point is kept. Operations whose results are not used drop out of the
    graph.

    Raises:
        InputError: in training mode, because a branch that runs twice would apply dropout and count batches twice.
    """
    if network.training:
        raise InputError("a network of branches that cannot be traced is exported in evaluation: call eval() first")
    calls: Counter[str] = Counter()
    with trunk.computed_once(network, lambda: calls) if trunk else nullcontext():
        return _replay(network, tasks, stops, calls, image)


def _replay(
    network: nn.Module, tasks: Sequence[str], stops: Sequence[Stop], calls: Counter[str], image: Tensor
) -> dict[str, Any]:
    begun = stops[0].layers if stops else tasks
    known: dict[str, dict[str, Any]] = {task: {} for task in begun}
    grids: dict[str, dict[str, Sequence[int]]] = {task: {} for task in begun}

    def run(task: str) -> _Run:
        calls.clear()  # each run counts the trunk's calls from 0
        return _run(network, task, stops, known[task], grids[task], image)

    for stop in stops:
        runs = {task: run(task) for task in stop.layers}
        outputs = {task: done.outputs[stop.layers[task]] for task, done in runs.items()}
        fused = stop.meet(network, outputs, grids)
        for task, layer in stop.layers.items():
            known[task][layer] = fused[task]
    return {task: run(task).result for task in tasks}


class _Run:
    """One run of a branch: the outputs of its points, and its result."""

    def __init__(self, grids: dict[str, Sequence[int]]) -> None:
        self.outputs: dict[str, Any] = {}
        self.grids = grids  # the (H, W) of maps, including those of earlier runs
        self.result: Any = None

    def keep(self, layer: str, known: Mapping[str, Any], module: nn.Module, args: Any, output: Any) -> Any:
        self.outputs[layer] = output
        return known.get(layer)

    def note(self, layer: str, module: nn.Module, args: Any, keywords: Any, output: Any) -> None:
        self.grids[layer] = grid_at(args, keywords, output)


def _run(
    network: nn.Module,
    task: str,
    stops: Sequence[Stop],
    known: Mapping[str, Any],
    grids: dict[str, Sequence[int]],
    image: Tensor,
) -> _Run:
    branch, run = network.get_submodule(f"branches.{task}"), _Run(grids)
    hooks = []
    try:
        for layer in (stop.layers[task] for stop in stops if task in stop.layers):
            keep = partial(run.keep, layer, known)
            hooks.append(branch.get_submodule(layer).register_forward_hook(keep, prepend=True))
        for layer in {layer for stop in stops for layer in stop.maps.get(task, ())}:
            note = partial(run.note, layer)
            hooks.append(branch.get_submodule(layer).register_forward_hook(note, prepend=True, with_kwargs=True))
        run.result = call(branch, image)
    finally:
        for hook in hooks:
            hook.remove()
    return run
