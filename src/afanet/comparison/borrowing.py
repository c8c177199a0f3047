"""Who borrowed what: gates on single images, and what each connection is worth on the test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import torch
from torch import Tensor
from torchvision import tv_tensors

from afanet.comparison.images import ImageScores
from afanet.comparison.look import Predictor, examples
from afanet.comparison.statistics import Change, bootstrap_changes
from afanet.data import Batch, Data
from afanet.data.files import read_image
from afanet.data.transforms import evaluation
from afanet.fusion import cut_connection, record_gates
from afanet.fusion.inspect import fusion_layers
from afanet.training.progress import Bar

Gates = dict[str, dict[str, Tensor]]  # by layer and kind


@dataclass(frozen=True)
class Cut:
    """What it changes if task `to` gets nothing of `source` at `layer`: by task, in its main metric."""

    layer: str
    to: str
    source: str
    changes: dict[str, Change]


def read_photos(files: Sequence[Path], size: tuple[int, int]) -> Tensor:
    """Images of any size as the network takes them, (B, 3, H, W); raises `InputError` for one that cannot be read."""
    transform = evaluation(size)
    images = []
    for file in files:
        pixels = torch.from_numpy(read_image(file, "RGB", "a photo")).permute(2, 0, 1)
        sample = transform({"image": tv_tensors.Image(pixels), "targets": {}, "id": str(file)})
        images.append(sample["image"].as_subclass(Tensor))
    return torch.stack(images)


def gates_of(predictor: Predictor, images: Tensor) -> Gates:
    """The gates of every layer for these images; raises `InputError` for a network in which nothing meets."""
    with record_gates(predictor.network) as gates:
        predictor.predict(images)
    return {layer: {kind: values.cpu() for kind, values in kinds.items()} for layer, kinds in gates.items()}


def cut_effects(predictor: Predictor, data: Data, limit: int) -> list[Cut]:
    """Every connection of every layer cut alone, on up to `limit` test images spread over the split."""
    count = len(data.test)
    chosen = torch.linspace(0, count - 1, min(limit, count)).long().tolist()
    size = predictor.run.recipe.batch_size
    names = list(predictor.tasks)
    layers = list(fusion_layers(predictor.network))
    cuts = [(layer, to, source) for layer in layers for to, source in permutations(range(len(names)), 2)]
    scores: list[dict[str, ImageScores]] = [
        {name: ImageScores(task) for name, task in predictor.tasks.items()} for _ in range(len(cuts) + 1)
    ]
    with Bar(len(chosen), "cutting connections") as bar:
        for start in range(0, len(chosen), size):
            batch = examples(data, predictor.tasks, chosen[start : start + size])
            _score(predictor, batch, scores[0])
            for (layer, to, source), found in zip(cuts, scores[1:], strict=True):
                with cut_connection(predictor.network, layer, to, source):
                    _score(predictor, batch, found)
            bar.advance(len(batch["id"]))
    return [
        Cut(
            layer,
            names[to],
            names[source],
            {
                name: bootstrap_changes(found[name], scores[0][name])[task.main_metric]
                for name, task in predictor.tasks.items()
            },
        )
        for (layer, to, source), found in zip(cuts, scores[1:], strict=True)
    ]


def _score(predictor: Predictor, batch: Batch, scores: dict[str, ImageScores]) -> None:
    for name, prediction in predictor.predict(batch["image"]).items():
        scores[name].update(prediction, batch["targets"][name])
