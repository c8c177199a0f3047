"""The state of gates over test images: saturated or still near one half, alike for all images or not, dead or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from afanet.comparison.images import ImageScores
from afanet.data import Data
from afanet.fusion import record_gates, record_hidden
from afanet.fusion.meetings import fusion_layers
from afanet.inspection.scoring import add_scores, sample_batches
from afanet.progress import Bar
from afanet.runs.examples import spread_over
from afanet.runs.loaded import TaskPredictor

LOW, HIGH = 0.05, 0.95  # a gate below or above is saturated: its softmax hardly passes a gradient
HALF = 0.05  # gates whose mean distance from one half is smaller have hardly learnt
ALIKE = 0.01  # gates whose standard deviation between images is smaller are alike for all images
QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class GateFacts:
    """The gates of one `kind` at a `layer` over `images`: how much of its own features a task keeps, from 0 to 1.

    There is a gate for each image and place. The places are the channels (CAM) or pixels (SAM) of each task that takes
    from others.

    Attributes:
        mean: the mean of all gates.
        quantiles: the mean over the images, at 5, 50 and 95 % over the places.
        below, above: the shares of gates under 0.05 and over 0.95.
        from_half: the mean distance of a gate from one half.
        deviation: the standard deviation between images, averaged over the places.
        between_images: the variance between images, averaged over the places, as a share of its sum with the variance
            between places of the mean gate. NaN if all gates are equal.
        units: the number of hidden units behind the gates; 0 for a layer that has none.
        silent: the share of images for which all hidden units are zero.
        dead_units: the number of hidden units that are zero for every image.
    """

    layer: str
    kind: str
    images: int
    mean: float
    quantiles: tuple[float, ...]
    below: float
    above: float
    from_half: float
    deviation: float
    between_images: float
    units: int
    silent: float
    dead_units: int

    @property
    def dead(self) -> bool:
        """Whether all hidden units are zero for every image: then all gates are equal, whatever the image."""
        return 0 < self.units == self.dead_units

    @property
    def in_words(self) -> str:
        """The state of the gates, in a few words."""
        if self.dead:
            return "dead"
        saturated = self.below + self.above
        state = "near one half" if self.from_half < HALF else "saturated" if saturated > 0.5 else "learnt"
        return f"{state}, {'alike for all images' if self.deviation < ALIKE else 'differs between images'}"


class GateSums:
    """Sums over images of the gates of one kind at one layer; their mean and facts follow from these."""

    def __init__(self, readers: Sequence[int]) -> None:
        self.readers = list(readers)
        self.images = self.silent = self.below = self.above = 0
        self.total = self.squares = self.from_half = torch.zeros((), dtype=torch.float64)
        self.alive = torch.zeros(0, dtype=torch.bool)

    def add(self, gates: Tensor, hidden: Tensor | None) -> None:
        """Add the gates (B, to, from, ...) and hidden units (B, units) of a batch."""
        gates = gates.double().cpu()
        own = gates[:, self.readers, self.readers]
        self.images += len(gates)
        self.total = self.total + gates.sum(0)
        self.squares = self.squares + own.square().sum(0)
        self.from_half = self.from_half + (own - 0.5).abs().sum(0)
        self.below += int((own < LOW).sum())
        self.above += int((own > HIGH).sum())
        if hidden is not None:
            alive = hidden.cpu() > 0
            self.silent += int((~alive.any(1)).sum())
            self.alive = alive.any(0) | (self.alive if len(self.alive) else False)

    @property
    def mean(self) -> Tensor:
        """The mean gates, (1, to, from, ...)."""
        return (self.total / self.images).float().unsqueeze(0)

    def facts(self, layer: str, kind: str) -> GateFacts:
        """The facts that follow from the sums."""
        mean = self.total[self.readers, self.readers] / self.images
        variance = (self.squares / self.images - mean.square()).clamp(min=0)
        between_images, between_places = variance.mean().item(), mean.var(correction=0).item()
        spread = between_images + between_places
        gates = self.images * mean.numel()
        return GateFacts(
            layer=layer,
            kind=kind,
            images=self.images,
            mean=mean.mean().item(),
            quantiles=tuple(mean.flatten().quantile(torch.tensor(QUANTILES, dtype=torch.float64)).tolist()),
            below=self.below / gates,
            above=self.above / gates,
            from_half=(self.from_half.sum() / gates).item(),
            deviation=variance.sqrt().mean().item(),
            between_images=between_images / spread if spread > 1e-12 else float("nan"),
            units=len(self.alive),
            silent=self.silent / self.images,
            dead_units=int((~self.alive).sum()),
        )


LayerSums = dict[str, dict[str, GateSums]]  # by layer and kind


def gate_facts(predictor: TaskPredictor, data: Data, limit: int | None = None) -> list[GateFacts]:
    """The state of all gates of a run's network on up to `limit` images spread over the test split, by default all.

    There is one entry for each layer and kind of gates; layers that define no gates are left out. Raises `InputError`
    for a network without a fusion layer, or in which no layer defines gates.
    """
    total = len(data.test)
    return facts_of(sum_gates(predictor, data, spread_over(total, total if limit is None else limit), {}))


def facts_of(sums: LayerSums) -> list[GateFacts]:
    """The facts of all layers and kinds."""
    return [of_kind.facts(layer, kind) for layer, kinds in sums.items() for kind, of_kind in kinds.items()]


def sum_gates(
    predictor: TaskPredictor, data: Data, chosen: Sequence[int], scores: Mapping[str, ImageScores]
) -> LayerSums:
    """Sums of the gates over the test images with these numbers; adds the images' predictions to `scores`."""
    layers = fusion_layers(predictor.network)
    sums: LayerSums = {}
    line = f"reading the gates of {predictor.run.path} on {len(chosen)} test images"
    with Bar(len(chosen), "reading gates", line=line) as bar:
        for batch in sample_batches(predictor, data, chosen):
            with record_gates(predictor.network, raw=True) as gates, record_hidden(predictor.network) as hidden:
                add_scores(predictor, batch, scores)
            for layer, kinds in gates.items():
                for kind, values in kinds.items():
                    of_layer = sums.setdefault(layer, {})
                    of_kind = of_layer.setdefault(kind, GateSums(layers[layer].readers))
                    of_kind.add(values, hidden[layer].get(kind))
            bar.advance(len(batch["id"]))
    return sums
