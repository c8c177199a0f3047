"""Scores from what single images add are those of the metrics over the whole set."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from afanet.comparison.images import ImageScores
from afanet.errors import InputError
from afanet.networks import Dense
from afanet.tasks import (
    Classification,
    DenseRegression,
    Depth,
    Edges,
    HumanParts,
    MultiLabel,
    MultiLabelSegmentation,
    Normals,
    Ordinal,
    Regression,
    Saliency,
    Segmentation,
    Task,
    Vector,
)

N = 7


def draw(task: Task) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    pixels = (4, 5) if isinstance(task.output, Dense) else ()
    shape = (N, task.output.channels, *pixels)
    logits = torch.randn(shape, generator=generator)
    other = torch.randn(shape, generator=generator)
    target = task.predict(other)
    return task.predict(logits), (target > 0.5).to(torch.int8) if isinstance(task, Edges) else target


TASKS = [
    Segmentation(["a", "b", "c"]),
    Depth(),
    Normals(),
    Classification("age", ["0", "1", "2"], ordinal=True),
    Ordinal("age", ["0", "1", "2"]),
    MultiLabel("attributes", ["x", "y", "z"]),
    Regression("weight", 0.0, 10.0),
    DenseRegression("height", 0.0, 10.0, "m", "inverse"),
    Vector("nose", ["x", "y"], points=True),
    MultiLabelSegmentation(["road", "wet"], "surface"),
    Edges(),
    Saliency(),
    HumanParts(),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_over_all_images_they_equal_the_metrics(task: Task) -> None:
    predictions, targets = draw(task)
    if isinstance(task, MultiLabel):
        targets = (targets > 0.5).to(torch.int64)
    expected = task.metrics()
    expected.update(predictions, targets)
    scores = ImageScores(task)
    scores.update(predictions[:3], targets[:3])
    scores.update(predictions[3:], targets[3:])
    assert len(scores) == N
    whole = {name: float(value) for name, value in expected.compute().items()}
    assert scores.compute() == pytest.approx(whole, rel=1e-6, nan_ok=True)
    assert set(whole) == set(task.higher_is_better)
    # an image that counts twice is one that is there twice
    weights = torch.tensor([2, 0, 1, 1, 1, 1, 1])
    chosen = torch.repeat_interleave(torch.arange(N), weights)
    again = task.metrics()
    again.update(predictions[chosen], targets[chosen])
    assert scores.compute(weights) == pytest.approx(
        {k: float(v) for k, v in again.compute().items()}, rel=1e-6, nan_ok=True
    )


def test_each_image_by_itself() -> None:
    scores = ImageScores(Classification("age", ["0", "1"]))
    scores.update(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]))
    assert scores.each("accuracy") == [1.0, 0.0, 1.0]


def test_draws_are_of_the_same_images_and_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 20)
    one, other = (ImageScores(Classification("age", ["0", "1"])) for _ in range(2))
    for scores in (one, other):
        scores.update(torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0, 1, 1]))
    assert torch.equal(one.draws()["accuracy"], other.draws()["accuracy"])
    assert len(set(one.draws()["accuracy"].tolist())) > 1
    assert one.draws() is one.draws()
    before = one.draws()["accuracy"]
    one.update(torch.tensor([0]), torch.tensor([1]))
    assert not torch.equal(one.draws()["accuracy"], before)


def test_a_metric_that_keeps_more_than_sums_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchmetrics import MetricCollection, SpearmanCorrCoef

    task = Regression("weight", 0.0, 10.0)
    monkeypatch.setattr(task, "metrics", lambda: MetricCollection([SpearmanCorrCoef()]))
    with pytest.raises(InputError, match="more than sums"):
        ImageScores(task)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_samples_that_are_summed_together_are_those_of_images_drawn_one_by_one(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 5)
    monkeypatch.setattr("afanet.comparison.images.TOGETHER", 2)
    predictions, targets = draw(task)
    scores = ImageScores(task)
    scores.update(predictions, targets)
    generator = torch.Generator().manual_seed(0)
    for sample in range(5):
        chosen = torch.randint(N, (N,), generator=generator)
        expected = task.metrics()
        expected.update(predictions[chosen], targets[chosen])
        drawn = {name: float(values[sample]) for name, values in scores.draws().items()}
        whole = {name: float(value) for name, value in expected.compute().items()}
        assert drawn == pytest.approx(whole, rel=1e-12, nan_ok=True)
