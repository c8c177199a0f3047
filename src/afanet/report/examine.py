"""Everything that a report shows of networks at work, each loaded once and at most two held at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from afanet.comparison.groups import BASE, Group
from afanet.comparison.look import Look, look
from afanet.data import Data
from afanet.fusion.inspect import fusion_layers
from afanet.inspection.connections import Borrowed, borrow
from afanet.report.gains import choose, image_figures, image_gains
from afanet.runs.examples import read_test_samples
from afanet.runs.loaded import TaskPredictor
from afanet.tasks import Task

SHOWN, LEAST = 24, 8  # images shown of all methods together, and of each at least
BORROWED = 32  # test images on which it is read and tried who borrowed what

Predictions = dict[int, dict[str, Tensor]]  # by the number of the test image and task


@dataclass(frozen=True)
class Examined:
    """The first run of a method at work on the test split.

    `gains` on single task are by task, one an image, and none without single task; `predictions` are those for the
    images that the method is shown with, of single task for those of all methods. `borrowed` is None where tasks meet
    nowhere.
    """

    look: Look
    gains: dict[str, list[float]]
    predictions: Predictions
    borrowed: Borrowed | None


@dataclass(frozen=True)
class Examination:
    """Methods by title, with the data and the tasks that they were examined on."""

    data: Data
    tasks: dict[str, Task]
    methods: dict[str, Examined]


def examine(groups: Sequence[Group], data: Data, tasks: dict[str, Task]) -> Examination:
    """Examine every group, on `data` of which `tasks` are learnt; groups are in the order of `group_runs`."""
    others = [group for group in groups if group.title != BASE]
    shown = max(LEAST, SHOWN // max(1, len(others)))
    if len(others) == len(groups):
        return Examination(data, tasks, {group.title: _examine(group, data, tasks, shown) for group in others})
    base = TaskPredictor(groups[0].runs[0], tasks)
    seen = look(base, data)
    figures = image_figures(seen.scores, tasks)
    predictions: Predictions = {} if others else _predict(base, data, choose({}, len(data.test), shown))
    methods = {BASE: Examined(seen, {}, predictions, None)}
    for group in others:
        methods[group.title] = found = _examine(group, data, tasks, shown, figures)
        predictions |= _predict(base, data, list(found.predictions))
    return Examination(data, tasks, methods)


def _examine(
    group: Group,
    data: Data,
    tasks: dict[str, Task],
    shown: int,
    base: Mapping[str, Sequence[float]] | None = None,
) -> Examined:
    predictor = TaskPredictor(group.runs[0], tasks)
    seen = look(predictor, data)
    gains = image_gains(image_figures(seen.scores, tasks), base, tasks) if base else {}
    chosen = choose(gains, len(data.test), shown)
    met = borrow(predictor, data, BORROWED) if fusion_layers(predictor.network) else None
    return Examined(seen, gains, _predict(predictor, data, chosen), met)


def _predict(predictor: TaskPredictor, data: Data, chosen: Sequence[int]) -> Predictions:
    found = predictor.predict(read_test_samples(data, predictor.tasks, chosen)["image"])
    return {index: {name: found[name][place] for name in found} for place, index in enumerate(chosen)}
