"""On which images sharing helped, and on which it hurt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from afanet.comparison.images import ImageScores
from afanet.runs.examples import spread_over
from afanet.tasks import Task

Scores = Mapping[str, Sequence[float]]  # by task, a score for each image


def image_scores(scores: Mapping[str, ImageScores], tasks: Mapping[str, Task]) -> dict[str, list[float]]:
    """The main metric of each single image, by task."""
    return {name: scores[name].each(task.main_metric) for name, task in tasks.items()}


def image_gains(ours: Scores, theirs: Scores, tasks: Mapping[str, Task]) -> dict[str, list[float]]:
    """The gain of each image over other scores of the main metric, by task; positive means better.

    >>> from afanet.tasks import Depth
    >>> image_gains({"depth": [1.0, 2.0]}, {"depth": [1.5, 1.5]}, {"depth": Depth()})  # an error: less is better
    {'depth': [0.5, -0.5]}
    """
    gains = {}
    for name, task in tasks.items():
        sign = 1 if task.higher_is_better[task.main_metric] else -1
        gains[name] = [sign * (our - their) for our, their in zip(ours[name], theirs[name], strict=True)]
    return gains


def choose(gains: Scores, images: int, shown: int) -> list[int]:
    """The indices of `shown` images: by turns those on which each task gained and lost most; without gains, evenly
    spread.

    >>> choose({"depth": [0.1, -0.5, 0.4, 0.0]}, images=4, shown=2)
    [2, 1]
    """
    if not gains:
        return spread_over(images, shown)
    rankings = []
    for values in gains.values():
        known = [(value, index) for index, value in enumerate(values) if not math.isnan(value)]
        best = [index for _, index in sorted(known, key=lambda pair: -pair[0])]
        rankings += [best, best[::-1]]
    in_turn = dict.fromkeys(index for turn in zip_longest(*rankings) for index in turn if index is not None)
    return list(in_turn)[:shown]
