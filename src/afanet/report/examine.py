"""What a report shows of networks at work. Each network is loaded once; at most two are in memory at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from afanet.comparison.groups import BASE, Group, base_of
from afanet.comparison.images import Look
from afanet.comparison.look import look
from afanet.data import Data
from afanet.fusion.meetings import fusion_layers
from afanet.inspection.connections import Connections, inspect_connections
from afanet.report.gains import choose, image_gains, image_scores
from afanet.runs.examples import read_test_samples
from afanet.runs.loaded import TaskPredictor
from afanet.runs.setup import as_taken
from afanet.tasks import Task

SHOWN, LEAST = 24, 8  # images shown for all methods together, and at least for each
CONNECTION_IMAGES = 32  # test images on which connections are read and cut

Predictions = dict[int, dict[str, Tensor]]  # by the number of the test image and task


@dataclass(frozen=True)
class Examined:
    """The first run of a method at work on the test split.

    `gains` over the baseline are by task, one for each image; without a baseline there are none. `predictions` are for
    the images that the method is shown with; those of the baseline are for the images of all methods. `connections` is
    None if tasks meet nowhere.
    """

    look: Look
    gains: dict[str, list[float]]
    predictions: Predictions
    connections: Connections | None


@dataclass(frozen=True)
class Examination:
    """Methods by title, with the data and the tasks that they were examined on."""

    data: Data
    tasks: dict[str, Task]
    methods: dict[str, Examined]


def examine(groups: Sequence[Group], data: Data, tasks: dict[str, Task], baseline: str = BASE) -> Examination:
    """Examine every group on `data`, from which `tasks` are learnt; groups are in the order of `group_runs`."""
    first = base_of(groups, baseline)
    others = [group for group in groups if group is not first]
    shown = max(LEAST, SHOWN // max(1, len(others)))
    if first is None:
        return Examination(data, tasks, {group.title: _examine(group, data, tasks, shown) for group in others})
    base = TaskPredictor(first.runs[0], tasks)
    data = as_taken(data, base.run.recipe)
    seen = look(base, data)
    scores = image_scores(seen.scores, tasks)
    predictions: Predictions = {} if others else _predict(base, data, choose({}, len(data.test), shown))
    methods = {first.title: Examined(seen, {}, predictions, _connections(base, data))}
    for group in others:
        methods[group.title] = examined = _examine(group, data, tasks, shown, scores)
        predictions |= _predict(base, data, list(examined.predictions))
    return Examination(data, tasks, methods)


def _examine(
    group: Group,
    data: Data,
    tasks: dict[str, Task],
    shown: int,
    base: Mapping[str, Sequence[float]] | None = None,
) -> Examined:
    predictor = TaskPredictor(group.runs[0], tasks)
    data = as_taken(data, predictor.run.recipe)
    seen = look(predictor, data)
    gains = image_gains(image_scores(seen.scores, tasks), base, tasks) if base else {}
    chosen = choose(gains, len(data.test), shown)
    return Examined(seen, gains, _predict(predictor, data, chosen), _connections(predictor, data))


def _connections(predictor: TaskPredictor, data: Data) -> Connections | None:
    """Who takes what on some test images; None if tasks meet nowhere."""
    meets = bool(fusion_layers(predictor.network))
    return inspect_connections(predictor, data, CONNECTION_IMAGES) if meets else None


def _predict(predictor: TaskPredictor, data: Data, chosen: Sequence[int]) -> Predictions:
    predictions = predictor.predict(read_test_samples(data, predictor.tasks, chosen)["image"])
    return {index: {name: batch[row] for name, batch in predictions.items()} for row, index in enumerate(chosen)}
