"""The description of a network that an exported file holds as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from afanet import __version__
from afanet.data.licences import licence
from afanet.export.trace import Traced
from afanet.outside import short_name
from afanet.recipe.preprocessing import normalisation
from afanet.runs.run import Run
from afanet.tasks import Description, Task

FORMAT = 1


def describe(run: Run, tasks: Mapping[str, Task], traced: Traced | None) -> dict[str, Any]:
    """The facts that a program needs to use a file with the network, and those that a person should know.

    `tasks` has each task's meaning in the order of the outputs, and `described` the run's description of each. `size`
    is the (H, W) at which the run was scored, and `resize` says how photos of other proportions fit it (stretch,
    letterbox or crop, see `afanet.framing`). `mean` and `std` normalise each channel of an image with values from 0 to
    1. `dynamic` says whether a `traced` graph takes other numbers and sizes of images. `metrics` are the scores on the
    test split. If the run has more tasks, `left_out` names them, and `parameters` and `flops` are those of the file.
    """
    left_out = [name for name in run.scores if name not in tasks]
    apart = {"left_out": left_out} | costs(traced, run) if left_out and traced is not None else {}
    data, taken = run.recipe.data, normalisation(run.recipe.network)
    return {
        "format": FORMAT,
        "afanet": __version__,
        "recipe": run.recipe.name,
        "method": short_name(run.recipe.network.method),
        "tasks": {name: task.meaning | task.sides for name, task in tasks.items()},
        "described": {name: Description.of(task).as_json() for name, task in tasks.items()},
        "size": list(data.size),
        "resize": data.resize,
        "mean": list(taken.mean),
        "std": list(taken.std),
        **({} if traced is None else {"dynamic": {"batch": traced.batch, "size": traced.size}}),
        "data": {
            "name": data.name,
            "description": run.results.get("data", ""),
            "licence": licence(data.name, data.options),
        },
        "metrics": {name: scores for name, scores in run.scores.items() if name in tasks},
        **apart,
    }


def costs(traced: Traced, run: Run) -> dict[str, int]:
    """A graph's parameters, and its operations for one image; as in the run's own count, a multiply-add is two."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        traced.program.module()(torch.zeros(1 + traced.batch, run.recipe.network.in_chans, *run.recipe.data.size))
    parameters = sum(parameter.numel() for parameter in traced.program.parameters())
    return {"parameters": parameters, "flops": counter.get_total_flops() // (1 + traced.batch)}
