"""Compresses a float32 ONNX file to fewer bits, and checks its scores on held-out images against a tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from afanet.errors import InputError
from afanet.export.check import Answer
from afanet.export.held_out import HeldOut
from afanet.export.onnx_file import open_onnx
from afanet.progress import Bar
from afanet.tasks import Task
from afanet.training.scoring import Scores

PROBES = 4  # images on which the cost of each layer is measured
MOST = 0.5  # the share of layers that may stay in float32: with more, compressing gains little


class Writer(Protocol):
    """Writes a file in fewer bits; `layers` maps each of its nodes with weights to the name of its layer."""

    layers: Mapping[str, str]

    def write(self, file: Path, in_float: Collection[str] = ()) -> None:
        """Write `file`, with the nodes in `in_float` in float32."""
        ...


@dataclass(frozen=True)
class Compressed:
    """The result for a file: its scores `before` and `after`, and the names of the layers that stayed `in_float`."""

    before: Scores
    after: Scores
    in_float: tuple[str, ...]


def compress(
    writer: Writer,
    source: Path,
    images: Tensor,
    held_out: HeldOut,
    finish: Callable[[Path], Answer],
    file: Path,
    tolerance: float,
    *,
    batch: bool,
) -> Compressed:
    """Write `file` in fewer bits, with as few layers in float32 as the scores need.

    It tries with no layer in float32, then with the 1, 2, 4 and so on that cost most, see `costs`, up to half of them.

    Args:
        writer: writes ONNX files.
        source: the float32 ONNX file, whose scores are those to keep.
        images: the images on which the cost of each layer is measured, (B, C, H, W).
        held_out: the images that are scored.
        finish: turns the ONNX file into the file that is scored, and opens this file.
        file: the ONNX file to write.
        tolerance: how much worse the main metric of a task may be, as a share of its value before.
        batch: whether the graph takes several images at once.

    Raises `InputError` if a main metric is still worse by more than the tolerance.
    """
    before = held_out.scores(open_onnx(source), "float32", batch=batch)
    if all(math.isnan(before[name][task.main_metric]) for name, task in held_out.tasks.items()):
        raise InputError(f"no task has a score on {held_out}, so nothing shows whether fewer bits do harm")
    ranking: list[str] = []
    most, kept = int(MOST * len(writer.layers)), 0
    while True:
        in_float = ranking[:kept]
        writer.write(file, in_float)
        doing = f"the smaller file with {kept} layers in float32" if kept else "the smaller file"
        after = held_out.scores(finish(file), doing, batch=batch)
        losses = {name: loss(task, before[name], after[name]) for name, task in held_out.tasks.items()}
        if max(losses.values()) <= tolerance:
            return Compressed(before, after, tuple(writer.layers[node] for node in in_float))
        if kept >= most:
            share = f"{kept} of {len(writer.layers)}"
            raise InputError(_refusal(losses, held_out, before, after, tolerance, share))
        ranking = ranking or costs(writer, source, images[:PROBES], file)
        kept = min(most, 2 * kept or 1)


def loss(task: Task, before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """How much worse the main metric is, as a share of its value before; 0 if it is better or was NaN.

    >>> from afanet.tasks import Depth
    >>> loss(Depth(), {"abs": 0.50}, {"abs": 0.51}), loss(Depth(), {"abs": 0.50}, {"abs": 0.49})
    (0.02..., 0.0)
    """
    a, b = before[task.main_metric], after[task.main_metric]
    if math.isnan(a):
        return 0.0
    worse = (a - b) if task.higher_is_better[task.main_metric] else (b - a)
    if worse <= 0:
        return 0.0
    return worse / abs(a) if a and math.isfinite(worse) else math.inf


def costs(writer: Writer, source: Path, images: Tensor, file: Path) -> list[str]:
    """The nodes with weights, the most costly first: each in turn is the only one that is compressed, in `file`.

    The cost is sum |a - b| / sum |b| for the task that changes most; a is the output of `file`, b that of `source`.
    """
    expected = _answers(open_onnx(source), images)
    found: dict[str, float] = {}
    with Bar(
        len(writer.layers), "layers", line=f"measuring the cost of compressing each of {len(writer.layers)} layers"
    ) as bar:
        for node in writer.layers:
            writer.write(file, [other for other in writer.layers if other != node])
            answers = _answers(open_onnx(file), images)
            found[node] = max(_change(answers[name], b) for name, b in expected.items())
            bar.advance()
    return sorted(found, key=lambda node: found[node], reverse=True)


def _answers(answer: Answer, images: Tensor) -> dict[str, Tensor]:
    parts = [answer(image) for image in torch.split(images, 1)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _change(a: Tensor, b: Tensor) -> float:
    change = ((a - b).abs().sum() / b.abs().sum().clamp_min(1e-12)).item()
    return change if math.isfinite(change) else math.inf


def _refusal(
    losses: Mapping[str, float], held_out: HeldOut, before: Scores, after: Scores, tolerance: float, share: str
) -> str:
    name = max(losses, key=lambda name: losses[name])
    metric = held_out.tasks[name].main_metric
    return (
        f"nothing was written: on {held_out}, {metric} of task '{name}' is {after[name][metric]:.4f}, but in float32 "
        f"{before[name][metric]:.4f}: worse by {100 * losses[name]:.1f} %, and {100 * tolerance:g} % are allowed, even "
        f"with {share} layers in float32. Give a larger --tolerance, or export the file in float32"
    )
