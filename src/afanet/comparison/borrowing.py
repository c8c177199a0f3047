"""Who borrowed what: gates on single images, and on the test split what each connection carries and is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors

from afanet.comparison.images import ImageScores
from afanet.comparison.look import Loaded, Predictor, examples
from afanet.comparison.statistics import Change, bootstrap_changes
from afanet.data import Batch, Data
from afanet.data.files import read_image
from afanet.data.transforms import evaluation
from afanet.fusion import cut_connection, flow, record_gates
from afanet.training.progress import Bar

EFFECTS = 400  # changes of a task by a cut that are computed at most; of many connections the strongest are cut

Gates = dict[str, dict[str, Tensor]]  # by layer and kind
Connection = tuple[str, int, int]  # layer, to, from; tasks counted from 0


@dataclass(frozen=True)
class Reading:
    """What the gates of one layer say of images: `flow` (images, to, from), and `kept` (images, tasks, channels).

    Rows of the flow sum to one. `kept` is the share of its own that a task keeps in each channel; None for a layer
    that has no gates for channels.
    """

    flow: Tensor
    kept: Tensor | None


Readings = dict[str, Reading]  # by layer


@dataclass(frozen=True)
class Cut:
    """What it changes if task `to` gets nothing of `source` at `layer`: by task, in its main metric."""

    layer: str
    to: str
    source: str
    changes: dict[str, Change]


@dataclass(frozen=True)
class Borrowed:
    """Who borrowed what on `images` of the `total` test images, and what the connections that were cut are worth."""

    images: int
    total: int
    readings: Readings
    cuts: list[Cut]


def read_photos(files: Sequence[Path], size: tuple[int, int]) -> Tensor:
    """Images of any size as the network takes them, (B, 3, H, W); raises `InputError` for one that cannot be read."""
    return torch.stack([as_input(read_image(file, "RGB", "a photo"), size) for file in files])


def as_input(photo: NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    """A photo (H, W, 3) of any size as the network takes it: resized and normalised, (3, *size)."""
    sample = {"image": tv_tensors.Image(torch.from_numpy(photo).permute(2, 0, 1)), "targets": {}, "id": ""}
    image: Tensor = evaluation(size)(sample)["image"].as_subclass(Tensor)
    return image


def gates_of(loaded: Loaded, images: Tensor) -> Gates:
    """The gates of every layer for these images; raises `InputError` for a network in which nothing meets."""
    with record_gates(loaded.network) as gates:
        loaded.answer(images)
    return {layer: {kind: values.cpu() for kind, values in kinds.items()} for layer, kinds in gates.items()}


def read_gates(gates: Gates) -> Readings:
    """What remains of gates when pixels are averaged and what channels take of whom is left aside.

    >>> channel = torch.tensor([[0.75, 0.25], [0.25, 0.75]]).reshape(1, 2, 2, 1, 1, 1)
    >>> reading = read_gates({"stem": {"channel": channel}})["stem"]
    >>> reading.flow[0].tolist(), reading.kept.tolist()
    ([[0.75, 0.25], [0.25, 0.75]], [[[0.75], [0.75]]])
    """
    return {
        layer: Reading(
            flow(kinds).cpu(),
            kinds["channel"][..., 0, 0].diagonal(dim1=1, dim2=2).mT.cpu() if "channel" in kinds else None,
        )
        for layer, kinds in gates.items()
    }


def strongest(readings: Readings, most: int) -> list[Connection]:
    """The connections that carry most on average, up to `most` of them, layer by layer.

    >>> strongest({"stem": Reading(torch.tensor([[[0.9, 0.1], [0.4, 0.6]]]), None)}, 1)
    [('stem', 1, 0)]
    """
    shares: dict[Connection, float] = {}
    for layer, reading in readings.items():
        mean = reading.flow.mean(0)
        shares |= {(layer, to, source): mean[to, source].item() for to, source in permutations(range(len(mean)), 2)}
    kept = set(sorted(shares, key=lambda one: -shares[one])[:most])
    return [one for one in shares if one in kept]


def borrow(predictor: Predictor, data: Data, limit: int) -> Borrowed:
    """Read the gates on up to `limit` test images spread over the split, and cut each connection alone on them.

    Where that would take more than `EFFECTS` changes of tasks, only the connections that carry most are cut. Raises
    `InputError` for a network in which nothing meets.
    """
    total, names = len(data.test), list(predictor.tasks)
    chosen = torch.linspace(0, total - 1, min(limit, total)).long().tolist()
    whole = _no_scores(predictor)
    parts: list[Readings] = []
    for batch in _batches(predictor, data, chosen):
        with record_gates(predictor.network) as gates:
            _score(predictor, batch, whole)
        parts.append(read_gates(gates))
    readings = _join(parts)
    found = {connection: _no_scores(predictor) for connection in strongest(readings, max(1, EFFECTS // len(names)))}
    with Bar(len(chosen), "cutting connections") as bar:
        for batch in _batches(predictor, data, chosen):
            for connection, scores in found.items():
                with cut_connection(predictor.network, *connection):
                    _score(predictor, batch, scores)
            bar.advance(len(batch["id"]))
    cuts = [
        Cut(
            layer,
            names[to],
            names[source],
            {
                name: bootstrap_changes(scores[name], whole[name])[task.main_metric]
                for name, task in predictor.tasks.items()
            },
        )
        for (layer, to, source), scores in found.items()
    ]
    return Borrowed(len(chosen), total, readings, cuts)


def _join(parts: Sequence[Readings]) -> Readings:
    joined = {}
    for layer in parts[0]:
        kept = [reading.kept for part in parts if (reading := part[layer]).kept is not None]
        joined[layer] = Reading(
            torch.cat([part[layer].flow for part in parts]), torch.cat(kept) if len(kept) == len(parts) else None
        )
    return joined


def _batches(predictor: Predictor, data: Data, chosen: Sequence[int]) -> Iterator[Batch]:
    size = predictor.run.recipe.batch_size
    for start in range(0, len(chosen), size):
        yield examples(data, predictor.tasks, chosen[start : start + size])


def _no_scores(predictor: Predictor) -> dict[str, ImageScores]:
    return {name: ImageScores(task) for name, task in predictor.tasks.items()}


def _score(predictor: Predictor, batch: Batch, scores: dict[str, ImageScores]) -> None:
    for name, prediction in predictor.predict(batch["image"]).items():
        scores[name].update(prediction, batch["targets"][name])
