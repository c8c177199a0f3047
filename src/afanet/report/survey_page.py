"""The result of a data check, as one HTML file with pictures that opens from disk."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from afanet.data import Data, Sample, Split
from afanet.data.checks.grouped import grouped
from afanet.data.checks.survey import Survey
from afanet.errors import InputError
from afanet.normalisation import as_picture
from afanet.report.pictures import as_url
from afanet.report.template import render
from afanet.runs.examples import spread_over
from afanet.tasks import DenseTask, PooledTask, Task

SHOWN = 8  # samples of each split
LONGEST = 320  # pixels of a picture's longer side


def survey_page(survey: Survey, data: Data | None = None) -> str:
    """The page: errors, warnings, counts, and a few samples of each split of `data` with their labels drawn."""
    gallery = {name: _samples(split, data.tasks) for name, split in data.splits.items()} if data else {}
    tasks = list(next(iter(survey.splits.values()))["tasks"])
    errors, warnings = grouped(survey.errors), grouped(survey.warnings)
    return render("survey_page.html", survey=survey, errors=errors, warnings=warnings, tasks=tasks, gallery=gallery)


def _samples(split: Split, tasks: dict[str, Task]) -> list[dict[str, Any]]:
    shown = []
    for index in spread_over(len(split), SHOWN):
        try:
            sample = split.read(split.items[index])
        except InputError:
            continue  # listed among the errors
        shown.append(_sample(sample, tasks))
    return shown


def _sample(sample: Sample, tasks: dict[str, Task]) -> dict[str, Any]:
    image = sample["image"].as_subclass(Tensor).permute(1, 2, 0).numpy()
    pictures, captions = {"image": as_url(as_picture(image), "JPEG", LONGEST)}, []
    for name, target in sample["targets"].items():
        task = tasks[name]
        if task.fault(target):
            continue
        if isinstance(task, DenseTask):
            pictures[name] = as_url(task.picture(target.as_subclass(Tensor)), "PNG", LONGEST)
        elif isinstance(task, PooledTask):
            captions.append(f"{name}: {task.caption(target)}")
    return {"id": sample["id"], "pictures": pictures, "captions": captions}
