"""Held-out images with truth and predictions, and how much sharing helped or hurt on each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from torch import Tensor

from afanet.data.transforms import denormalise
from afanet.report.examine import Examination
from afanet.report.pictures import as_url, unpadded_picture
from afanet.runs.examples import read_test_samples
from afanet.tasks import ColourBar, DenseTask, PooledTask, Task


def gallery(examination: Examination) -> list[dict[str, Any]]:
    """Each image that is shown for any method: its pictures as data URLs, the words of its pooled tasks, its gains.

    `methods` lists the methods that are shown with the image.
    """
    methods = examination.methods
    shown = []
    for index in sorted({index for examined in methods.values() for index in examined.predictions}):
        sample = read_test_samples(examination.data, examination.tasks, [index])
        predictions = {
            title: examined.predictions[index] for title, examined in methods.items() if index in examined.predictions
        }
        photo = denormalise(sample["image"][0], examination.data.normalisation)
        shown.append(
            {
                "id": sample["id"][0],
                "photo": as_url(photo, "JPEG"),
                "methods": list(predictions),
                "tasks": {
                    name: _shown(
                        task,
                        sample["targets"][name][0],
                        {title: values[name] for title, values in predictions.items()},
                        sample["padding"][0],
                    )
                    for name, task in examination.tasks.items()
                },
                "gains": {
                    title: {name: _rounded(gains[index]) for name, gains in methods[title].gains.items()}
                    for title in predictions
                },
            }
        )
    return shown


def _shown(task: Task, target: Tensor, values: Mapping[str, Tensor], padding: Tensor) -> dict[str, Any]:
    """One image's truth and predictions for one task, as pictures with their errors or in words.

    `ends` are the ends of the colour scale, which spans the range that occurs in the truth.
    """
    if isinstance(task, PooledTask):
        return {"words": {title: task.caption(value) for title, value in {"truth": target, **values}.items()}}
    if not isinstance(task, DenseTask):
        return {"words": {}}
    task = task.drawn_over([target])
    return {
        "ends": [f"{end:g}" for end in (task.legend.low, task.legend.high)]
        if isinstance(task.legend, ColourBar)
        else [],
        "truth": as_url(task.picture(target), "PNG"),
        "predictions": {
            title: as_url(unpadded_picture(task, value, padding), "PNG") for title, value in values.items()
        },
        "errors": {title: as_url(error_picture(task, value, target), "PNG") for title, value in values.items()},
    }


def _rounded(gain: float) -> float | None:
    return None if math.isnan(gain) else round(gain, 5)


def error_picture(task: DenseTask, prediction: Tensor, target: Tensor) -> NDArray[np.uint8]:
    """Dark where a prediction is right, bright where it is wrong, grey where there is no label."""
    error = task.error(prediction, target).numpy()
    picture: NDArray[np.uint8] = colormaps["inferno"](np.clip(error / task.error_limit, 0, 1), bytes=True)[
        ..., :3
    ].copy()
    picture[np.isnan(error)] = 128
    return picture
