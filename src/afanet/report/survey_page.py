"""What a check of a data set found, as one HTML file with pictures that opens from disk."""

from __future__ import annotations

import base64
import io
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from afanet.data import Data, Sample, Split
from afanet.data.survey import Survey
from afanet.errors import InputError
from afanet.tasks import DenseTask, PooledTask, Task

SHOWN = 8  # samples of each split
LONGEST = 320  # pixels of a picture's longer side


def survey_page(survey: Survey, data: Data | None = None) -> str:
    """The page: errors, warnings, figures, and a few samples of each split of `data` with their labels drawn."""
    template = resources.files("afanet.report").joinpath("survey_page.html").read_text(encoding="utf-8")
    gallery = {name: _samples(split, data.tasks) for name, split in data.splits.items()} if data else {}
    tasks = list(next(iter(survey.splits.values()))["tasks"])
    return Environment(autoescape=True).from_string(template).render(survey=survey, tasks=tasks, gallery=gallery)


def _samples(split: Split, tasks: dict[str, Task]) -> list[dict[str, Any]]:
    shown = []
    for index in np.linspace(0, len(split) - 1, min(SHOWN, len(split))).astype(int):
        try:
            sample = split.read(split.items[index])
        except InputError:
            continue  # it stands among the errors
        shown.append(_sample(sample, tasks))
    return shown


def _sample(sample: Sample, tasks: dict[str, Task]) -> dict[str, Any]:
    image = sample["image"].as_subclass(Tensor).permute(1, 2, 0).numpy()
    pictures, captions = {"image": _as_url(image, "JPEG")}, []
    for name, target in sample["targets"].items():
        task = tasks[name]
        if task.fault(target):
            continue
        if isinstance(task, DenseTask):
            pictures[name] = _as_url(task.picture(target.as_subclass(Tensor)), "PNG")
        elif isinstance(task, PooledTask):
            captions.append(f"{name}: {task.caption(target)}")
    return {"id": sample["id"], "pictures": pictures, "captions": captions}


def _as_url(pixels: NDArray[np.uint8], form: str) -> str:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.BILINEAR if form == "JPEG" else Image.Resampling.NEAREST)
    file = io.BytesIO()
    picture.save(file, form)
    return f"data:image/{form.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
