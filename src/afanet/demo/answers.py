"""Predictions in the form that the page shows, the same for runs and exported files."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from afanet.framing import Framing
from afanet.tasks import DenseTask, Legend, PooledTask, Swatches, Task
from afanet.tasks.drawing.png import png

LISTED = 5  # classes shown with their probabilities
STOPS = 9  # colours in a colour bar's gradient


def described(task: Task) -> dict[str, Any]:
    """A task's name and legend, which the page shows before there is a photo."""
    legend = _legend(task.legend) if isinstance(task, DenseTask) else None
    return {"name": task.name, "legend": legend}


def _legend(legend: Legend) -> dict[str, Any]:
    if isinstance(legend, Swatches):
        return {"names": list(legend.names), "colours": [_hex(colour) for colour in legend.colours]}
    stops = legend.colours[np.linspace(0, len(legend.colours) - 1, STOPS).round().astype(int)]
    return {"gradient": [_hex(colour) for colour in stops], "low": legend.low, "high": legend.high, "unit": legend.unit}


def _hex(colour: NDArray[np.uint8]) -> str:
    return "#" + bytes(colour.tolist()).hex()


def fractions(frame: Framing) -> list[float]:
    """Top, left, height and width of the part of a photo that the network sees, as fractions of the photo's size."""
    (height, width), seen = frame.photo, frame.seen
    return [seen.top / height, seen.left / width, seen.height / height, seen.width / width]


def shown(task: Task, value: Tensor, estimate: Tensor, frame: Framing) -> dict[str, Any]:
    """One prediction as the page draws it. `value` and `estimate`, behind it, cover the part that `frame` fills."""
    if isinstance(task, DenseTask):
        if (frame.seen.height, frame.seen.width) != frame.photo:
            absent = task.unlabelled((1, 1)).flatten()[0].item()
            value = torch.from_numpy(frame.on_photo(value.numpy(), absent))
        height, width = value.shape[-2:]
        drawn = base64.b64encode(png(task.picture(value))).decode()
        answer: dict[str, Any] = {"name": task.name, "picture": f"data:image/png;base64,{drawn}"}
        if readout := task.readout(value):
            packed = base64.b64encode(readout.values.to(torch.int64).numpy().astype("<u2").tobytes()).decode()
            answer |= {"width": width, "height": height, "values": packed}
            answer |= {"steps": readout.steps, "unit": readout.unit}
        return answer
    assert isinstance(task, PooledTask)
    words = task.caption(task.on_photo(value, frame))
    likely: list[list[Any]] = []
    if task.names:
        order = estimate.argsort(descending=True)[:LISTED].tolist()
        likely = [[task.names[index], estimate[index].item()] for index in order]
    return {"name": task.name, "words": words, "likely": likely}
