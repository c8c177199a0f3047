"""Branches that no graph can be made of, while they are exported: replayed from the start to every point in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from afanet.errors import InputError
from afanet.networks.record import call
from afanet.networks.stops import Stop


def replay(network: nn.Module, tasks: Sequence[str], stops: Sequence[Stop], image: Tensor) -> dict[str, Any]:
    """Every task's output, computed in pieces that a tracer can follow, for it can follow no coroutine.

    For each point every branch runs from its start, with what is fused already put in place of its layers' outputs,
    and only its output at the point is kept. What nothing depends on falls out of the graph.

    Raises:
        InputError: in training, where a branch that runs twice would drop out and count twice.
    """
    if network.training:
        raise InputError("a network of branches that cannot be traced is exported in evaluation: call eval() before")
    known: dict[str, dict[str, Any]] = {task: {} for task in tasks}
    for stop in stops:
        runs = {task: _run(network, task, stops, known[task], image) for task in tasks}
        outputs = {task: run.outputs[stop.layers[task]] for task, run in runs.items()}
        fused = stop.meet(network, outputs, {task: run.grids for task, run in runs.items()})
        for task, layer in stop.layers.items():
            known[task][layer] = fused[task]
    return {task: _run(network, task, stops, known[task], image).result for task in tasks}


class _Run:
    """One run of a branch: the outputs of its points, the (H, W) of its maps, and its result."""

    def __init__(self) -> None:
        self.outputs: dict[str, Any] = {}
        self.grids: dict[str, Sequence[int]] = {}
        self.result: Any = None

    def keep(self, layer: str, known: Mapping[str, Any], module: nn.Module, args: Any, output: Any) -> Any:
        self.outputs[layer] = output
        return known.get(layer)

    def note(self, layer: str, module: nn.Module, args: Any, output: Tensor) -> None:
        self.grids[layer] = output.shape[2:]


def _run(network: nn.Module, task: str, stops: Sequence[Stop], known: Mapping[str, Any], image: Tensor) -> _Run:
    branch, run = network.get_submodule(f"branches.{task}"), _Run()
    hooks = []
    try:
        for layer in {layer for stop in stops for layer in stop.maps[task]}:
            hooks.append(branch.get_submodule(layer).register_forward_hook(partial(run.note, layer)))
        for layer in (stop.layers[task] for stop in stops):
            hooks.append(branch.get_submodule(layer).register_forward_hook(partial(run.keep, layer, known)))
        run.result = call(branch, image)
    finally:
        for hook in hooks:
            hook.remove()
    return run
