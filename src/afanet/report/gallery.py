"""Held-out images with truth and predictions, and how much sharing helped or hurt on each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from torch import Tensor

from afanet.comparison.compare import Comparison
from afanet.comparison.look import Look, Predictor, examples
from afanet.comparison.runs import BASE
from afanet.data import Data
from afanet.report.pictures import as_url, photograph
from afanet.tasks import DenseTask, PooledTask

SHOWN = 24  # images


def image_gains(comparison: Comparison, looks: Mapping[str, Look]) -> dict[str, dict[str, list[float]]]:
    """By method and task what each test image gained on single task in the main metric, positive for the better."""
    gains: dict[str, dict[str, list[float]]] = {}
    if BASE not in looks:
        return gains
    each = {
        title: {name: seen.scores[name].each(task.main_metric) for name, task in comparison.tasks.items()}
        for title, seen in looks.items()
    }
    for title in looks:
        if title != BASE:
            gains[title] = {}
            for name, task in comparison.tasks.items():
                sign = 1 if task.higher_is_better[task.main_metric] else -1
                pairs = zip(each[title][name], each[BASE][name], strict=True)
                gains[title][name] = [sign * (ours - theirs) for ours, theirs in pairs]
    return gains


def choose(gains: Mapping[str, Mapping[str, Sequence[float]]], images: int, shown: int = SHOWN) -> list[int]:
    """The numbers of `shown` images: in turn what helped and what hurt most by method and task; evenly without gains.

    >>> choose({"afa": {"depth": [0.1, -0.5, 0.4, 0.0]}}, images=4, shown=2)
    [2, 1]
    """
    if not gains:
        return [int(index) for index in np.linspace(0, images - 1, min(shown, images))]
    rankings = []
    for tasks in gains.values():
        for values in tasks.values():
            known = [(value, index) for index, value in enumerate(values) if not math.isnan(value)]
            best = [index for _, index in sorted(known, key=lambda pair: -pair[0])]
            rankings += [best, best[::-1]]
    in_turn = dict.fromkeys(index for turn in zip_longest(*rankings) for index in turn if index is not None)
    return list(in_turn)[:shown]


def gallery(comparison: Comparison, data: Data, looks: Mapping[str, Look]) -> list[dict[str, Any]]:
    """For each chosen image its pictures as data URLs, words for its pooled tasks, and its gains."""
    gains = image_gains(comparison, looks)
    chosen = choose(gains, len(data.test))
    batch = examples(data, comparison.tasks, chosen)
    predictions = {
        row.title: Predictor(row.group.runs[0], comparison.tasks).predict(batch["image"]) for row in comparison.rows
    }
    shown = []
    for place, index in enumerate(chosen):
        photo = (photograph(batch["image"][place]).numpy() * 255).astype(np.uint8)
        entry: dict[str, Any] = {"id": batch["id"][place], "photo": as_url(photo, "JPEG"), "tasks": {}, "gains": {}}
        for name, task in comparison.tasks.items():
            target = batch["targets"][name][place]
            values = {title: found[name][place] for title, found in predictions.items()}
            if isinstance(task, DenseTask):
                entry["tasks"][name] = {
                    "truth": as_url(task.picture(target), "PNG"),
                    "predictions": {title: as_url(task.picture(value), "PNG") for title, value in values.items()},
                    "errors": {
                        title: as_url(error_picture(task, value, target), "PNG") for title, value in values.items()
                    },
                }
            elif isinstance(task, PooledTask):
                entry["tasks"][name] = {
                    "words": {"truth": task.caption(target)}
                    | {title: task.caption(value) for title, value in values.items()}
                }
        for title, tasks in gains.items():
            entry["gains"][title] = {
                name: None if math.isnan(values[index]) else round(values[index], 5) for name, values in tasks.items()
            }
        shown.append(entry)
    return shown


def error_picture(task: DenseTask, prediction: Tensor, target: Tensor) -> NDArray[np.uint8]:
    """Dark where a prediction is right, bright where it is wrong, grey where nobody knows."""
    error = task.error(prediction, target).numpy()
    picture: NDArray[np.uint8] = colormaps["inferno"](np.clip(error / task.error_limit, 0, 1), bytes=True)[
        ..., :3
    ].copy()
    picture[np.isnan(error)] = 128
    return picture
