"""Which images are shown, and what they gained."""

from __future__ import annotations

import math

import torch

from afanet.comparison.images import ImageScores
from afanet.report.gains import choose, image_gains, image_scores
from afanet.tasks import Classification, Depth


def test_the_best_and_the_worst_of_every_task_come_first() -> None:
    gains = {"a": [0.0, 3.0, -2.0, 1.0], "b": [9.0, math.nan, 0.0, -9.0]}
    assert choose(gains, 4, shown=4) == [1, 2, 0, 3]
    assert choose(gains, 4, shown=2) == [1, 2]


def test_without_gains_they_are_spread_over_the_split() -> None:
    assert choose({}, images=5, shown=3) == [0, 2, 4]


def test_figures_are_of_single_images_and_gains_for_the_better() -> None:
    tasks = {"age": Classification("age", ["n", "y"]), "depth": Depth()}
    scores = {name: ImageScores(task) for name, task in tasks.items()}
    scores["age"].update(torch.tensor([1, 1]), torch.tensor([1, 0]))
    scores["depth"].update(
        torch.full((2, 1, 2, 2), 3.0), torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2)
    )
    by_image = image_scores(scores, tasks)
    assert by_image == {"age": [1.0, 0.0], "depth": [2.0, 1.0]}
    gains = image_gains(by_image, {"age": [0.0, 0.0], "depth": [1.5, 1.5]}, tasks)
    assert gains == {"age": [1.0, 0.0], "depth": [-0.5, 0.5]}
