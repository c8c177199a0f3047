"""Would constant gates do as well? Scores with the mean gates of all images, and with the gates of another image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from afanet.comparison.images import ImageScores
from afanet.comparison.statistics import Change, bootstrap_changes
from afanet.data import Data
from afanet.errors import InputError
from afanet.fusion import record_gates, replace_gates
from afanet.fusion.inspect import require_layers
from afanet.fusion.meetings import kinds
from afanet.inspection.gates import GateFacts, facts_of, sum_gates
from afanet.inspection.scoring import add_scores, no_scores, sample_batches
from afanet.progress import Bar
from afanet.runs.examples import spread_over
from afanet.runs.loaded import TaskPredictor
from afanet.tasks import Described

Scores = dict[str, dict[str, float]]  # by task and metric
ROUNDING = 1e-3  # how much outputs may move, relative to the largest, when a layer is given its own gates
AS_WELL = (
    "With constant gates no main metric changes clearly: as far as these images tell, the fusion layers act as a "
    "learnt constant mix."
)


@dataclass(frozen=True)
class Replaced:
    """Scores with replaced gates, and their changes against the network's own scores, by task and metric."""

    scores: Scores
    changes: dict[str, dict[str, Change]]


@dataclass(frozen=True)
class ConstantGates:
    """Scores on `images` of the `total` test images under three kinds of gates, and the state of the network's gates.

    `own` has the scores with each image's own gates, `constant` those with the mean gates of all images, `exchanged`
    those with the gates of another image. `facts` describes the network's gates. `kept` names the kinds of layers that
    kept their gates because these cannot be replaced.
    """

    images: int
    total: int
    own: Scores
    constant: Replaced
    exchanged: Replaced
    facts: list[GateFacts]
    kept: list[str]


def inspect_constant(predictor: TaskPredictor, data: Data, limit: int | None = None) -> ConstantGates:
    """Score a network with its own gates, with constant gates, and with those of another image.

    It uses up to `limit` images spread over the test split, by default all. Constant gates are the means over these
    images. The other image is half the list further on, counted in a circle, because neighbours are often alike. All
    gates are recorded in passes in which no gate is replaced. Changes have bootstrap intervals over the images.

    Raises `InputError` if no layer has gates that can be replaced, if a layer wrongly says that it mixes by its gates,
    and for fewer than two images.
    """
    layers = require_replaceable(predictor.network)
    total = len(data.test)
    chosen = spread_over(total, total if limit is None else limit)
    half = len(chosen) // 2
    if not half:
        raise InputError(f"gates are exchanged between test images, and there is {len(chosen)}: at least 2 are needed")
    require_own_answers(predictor, layers, next(sample_batches(predictor, data, chosen))["image"])
    own, constant, exchanged = (no_scores(predictor) for _ in range(3))
    sums = sum_gates(predictor, data, chosen, own)
    means = {layer: {kind: of_kind.mean for kind, of_kind in sums[layer].items()} for layer in layers}
    batches = sample_batches(predictor, data, chosen)
    others = sample_batches(predictor, data, [*chosen[half:], *chosen[:half]])
    line = f"replacing the gates of {len(layers)} layer{'s'[: len(layers) != 1]}"
    with Bar(len(chosen), "replacing gates", line=line) as bar:
        for batch, other in zip(batches, others, strict=True):
            with replace_gates(predictor.network, means):
                add_scores(predictor, batch, constant)
            with record_gates(predictor.network, raw=True) as recorded:
                predictor.answer(other["image"])
            with replace_gates(predictor.network, {layer: recorded[layer] for layer in layers}):
                add_scores(predictor, batch, exchanged)
            bar.advance(len(batch["id"]))
    kept = kinds(layer for name, layer in require_layers(predictor.network).items() if name not in layers)
    return ConstantGates(
        len(chosen), total, _scores(own), _replaced(constant, own), _replaced(exchanged, own), facts_of(sums), kept
    )


def require_replaceable(network: nn.Module) -> list[str]:
    """The names of the layers whose gates can be replaced; raises `InputError` if there are none."""
    layers = require_layers(network)
    replaceable = [name for name, layer in layers.items() if layer.mixes_by_gates]
    if not replaceable:
        raise InputError(
            f"{' and '.join(kinds(layers.values()))} has no gates that can be replaced by constant ones: weights such "
            "as those of cross-stitch and NDDR are the same for every image already, and a layer of your own says with "
            "mixes_by_gates = True that its outputs are the mix by its gates"
        )
    return replaceable


def require_own_answers(predictor: TaskPredictor, layers: Sequence[str], images: Tensor) -> None:
    """Raise `InputError` if the outputs change when layers are given their own gates."""
    with record_gates(predictor.network, raw=True) as recorded:
        own = predictor.answer(images)
    with replace_gates(predictor.network, {layer: recorded[layer] for layer in layers}):
        again = predictor.answer(images)
    if odd := [name for name, x in own.items() if (again[name] - x).abs().max() > ROUNDING * x.abs().max()]:
        found = require_layers(predictor.network)
        raise InputError(
            f"{' and '.join(kinds(found[name] for name in layers))} says that it mixes by its gates, but when it is "
            f"given its own gates, the outputs of task '{odd[0]}' change: leave mixes_by_gates out of the class"
        )


def conclusion(constant: ConstantGates, tasks: Mapping[str, Described]) -> str:
    """Whether constant gates do as well, by the main metrics of all tasks, in one or two sentences."""
    changes = {name: constant.constant.changes[name][task.main_metric] for name, task in tasks.items()}
    if all(math.isnan(change.mean) for change in changes.values()):
        return "No task has a score on these images, so they cannot say whether constant gates would do."
    clear = ", ".join(_clear(changes, tasks))
    others = {name: constant.exchanged.changes[name][task.main_metric] for name, task in tasks.items()}
    exchanged = ", ".join(_clear(others, tasks)) or "no main metric changes clearly"
    return f"{f'With constant gates {clear}.' if clear else AS_WELL} With the gates of another image {exchanged}."


def _clear(changes: Mapping[str, Change], tasks: Mapping[str, Described]) -> Iterator[str]:
    for name, change in changes.items():
        metric = tasks[name].main_metric
        if change.clear:
            yield f"{name} {metric} is {change.verdict(tasks[name].higher_is_better[metric])}"


def _scores(scores: Mapping[str, ImageScores]) -> Scores:
    return {name: of_task.compute() for name, of_task in scores.items()}


def _replaced(scores: Mapping[str, ImageScores], own: Mapping[str, ImageScores]) -> Replaced:
    return Replaced(_scores(scores), {name: bootstrap_changes(of_task, own[name]) for name, of_task in scores.items()})
