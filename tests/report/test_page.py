"""What the page shows in detail, for tasks that have it and for those that have not."""

from __future__ import annotations

import pytest
import torch

from afanet.comparison.images import ImageScores
from afanet.comparison.look import DISTANCES, Look
from afanet.report.charts import colours
from afanet.report.page import _details
from afanet.tasks import Classification, Depth, MultiLabel, Segmentation, Task

TITLES = ["single", "afa"]


def look(task: Task) -> Look:
    scores = ImageScores(task)
    if isinstance(task, MultiLabel):
        scores.update(torch.tensor([[1, 0]]), torch.tensor([[1, 1]]))
    elif isinstance(task, Segmentation):
        scores.update(torch.tensor([[[0, 1]]]), torch.tensor([[[0, 0]]]))
    elif isinstance(task, Classification):
        scores.update(torch.tensor([0, 1]), torch.tensor([0, 0]))
    else:
        scores.update(torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 2.0))
    return Look({task.name: scores}, {task.name: torch.ones(2, DISTANCES)})


@pytest.mark.parametrize(
    ("task", "pictures"),
    [
        (Segmentation(["a", "b"]), 3),  # the change of each class, and two confusions
        (Classification("age", ["a", "b"]), 3),
        (Depth(), 1),  # errors by distance
        (MultiLabel("attributes", ["a", "b"]), 0),
    ],
)
def test_each_kind_of_task_has_its_details(task: Task, pictures: int) -> None:
    looks = {title: look(task) for title in TITLES}
    found = _details({task.name: task}, looks, colours(TITLES))
    assert sum(len(drawn) for _, drawn in found) == pictures
    for _, drawn in found:
        assert all(svg.startswith("<svg") and "#000000" not in svg for svg in drawn)
