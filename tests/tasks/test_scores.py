"""One rule for all kinds of task: predictions that are no numbers are counted, and leave no score."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from afanet.comparison.images import ImageScores
from afanet.networks.outputs import Dense
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
from afanet.tasks.classes import count_classes
from afanet.tasks.depth.metrics import DepthScores
from afanet.tasks.normals.metrics import NormalsScores
from afanet.tasks.regression.metrics import RegressionScores
from afanet.tasks.scores import TaskScores


class FromOutside(Regression):
    """A kind whose author knows nothing of the rule: it rounds what is no number to 0, and has plain metrics."""

    def predict(self, logits: Tensor) -> Tensor:
        return super().predict(logits).nan_to_num(0.0, 0.0, 0.0)

    def metrics(self) -> MetricCollection:
        return MetricCollection([RegressionScores(0)])


TASKS = [
    Segmentation(["bed", "wall", "lamp"]),
    Depth(),
    Normals(),
    Classification("age", list("abc"), ordinal=True),
    Ordinal("age", list("abcd")),
    MultiLabel("face", ["hat", "smile"]),
    Regression("age", 0, 100),
    DenseRegression("height", 0.0, 10.0, "m", "inverse"),
    Vector("nose", ["x", "y"], points=True),
    MultiLabelSegmentation(["road", "wet"], "surface"),
    Edges(),
    Saliency(),
    HumanParts(),
]
IMAGES, PIXELS = 6, (3, 5)


def draw(task: Task, seed: int) -> Tensor:
    shape = (IMAGES, task.output.channels, *(PIXELS if isinstance(task.output, Dense) else ()))
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def truth(task: Task) -> Tensor:
    predicted = task.predict(draw(task, 1))
    return (predicted > 0.5).to(torch.int8) if isinstance(task, Edges) else predicted


def values(scores: dict[str, Tensor]) -> list[float]:
    return [float(value) for value in scores.values()]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("task", [*TASKS, FromOutside("count", 0, 1)], ids=type)
def test_one_output_that_is_no_number_takes_all_scores_of_its_task_and_is_counted(task: Task, value: float) -> None:
    logits, target = draw(task, 0), truth(task)
    logits[4].view(-1)[0] = value
    scores = TaskScores.of(task)
    for batch in (slice(0, 4), slice(4, 6)):
        scores.update(task.predict(logits[batch]), target[batch], logits[batch])
    read, evidence = scores.read()
    assert set(read) == set(task.higher_is_better)
    assert np.isnan(values(read)).all()
    assert (evidence.images, evidence.broken_images) == (IMAGES, 1)
    said = f"its outputs are {task.unusable} in 1 of 6 images"
    assert evidence.fault(task) == said + (" (1 pixel)" if isinstance(task.output, Dense) else "")
    with pytest.warns(UserWarning, match=rf"task '{task.name}' has no scores, because {said}"):
        assert np.isnan(values(scores.compute())).all()


@pytest.mark.parametrize("task", TASKS, ids=type)
def test_a_nan_in_the_logits_is_seen_in_the_prediction_alone(task: Task) -> None:
    logits = draw(task, 0)
    logits[4].view(-1)[0] = math.nan
    metrics = task.metrics()
    with pytest.warns(UserWarning, match="in 1 of 6 images"):
        assert np.isnan(values(metrics(task.predict(logits), truth(task)))).all()
    with pytest.warns(UserWarning, match="in 1 of 6 images"):
        assert np.isnan(values(metrics.compute())).all()


@pytest.mark.parametrize("task", TASKS, ids=type)
def test_numbers_give_the_scores_of_the_metrics_alone_without_a_warning(task: Task) -> None:
    prediction, target = task.predict(draw(task, 0)), truth(task)
    whole = task.metrics()
    alone = [metric for name, metric in task.metrics().items(copy_state=False) if name != "basis"]
    expected = {}
    for metric in alone:
        metric.update(prediction, target)
        result = metric.compute()
        expected |= result if isinstance(result, dict) else {"one_off" if "OneOff" in repr(metric) else "kappa": result}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole.update(prediction, target)
        assert {k: float(v) for k, v in whole.compute().items()} == {k: float(v) for k, v in expected.items()}
    labelled = whole.read()[1].labels
    assert labelled == task.labelled(target).sum()


@pytest.mark.parametrize(
    ("task", "prediction"),
    [
        (Normals(), torch.zeros(1, 3, 1, 2)),
        (Normals(), torch.full((1, 3, 1, 2), 3e38)),  # normalised to length 0, since its length overflows
        (Depth(), torch.zeros(1, 1, 1, 2)),
        (Depth(), torch.full((1, 1, 1, 2), -1.0)),
    ],
)
def test_a_vector_without_direction_and_a_depth_of_0_are_no_numbers(task: Task, prediction: Tensor) -> None:
    if prediction.max() > 1:
        prediction = task.predict(prediction)
    target = task.predict(torch.ones(1, task.output.channels, 1, 2))
    metrics = task.metrics()
    metrics.update(prediction, target)
    read, evidence = metrics.read()
    assert np.isnan(values(read)).all()
    assert evidence.broken_values == 2


def test_metrics_of_maps_give_no_perfect_score_by_themselves_either() -> None:
    truths = torch.tensor([0.0, 0, 1])[None, :, None, None]
    for wrong in (0.0, math.nan, math.inf):
        normals = NormalsScores()
        normals.update(torch.full((1, 3, 1, 1), wrong), truths)
        assert np.isnan(values(normals.compute())).all()
    depth = DepthScores()
    depth.update(torch.full((1, 1, 1, 1), math.nan), truths[:, 2:])
    assert np.isnan(values(depth.compute())).all()


@pytest.mark.parametrize("task", TASKS, ids=type)
def test_samples_of_images_have_scores_unless_the_broken_one_is_among_them(task: Task) -> None:
    prediction, target = task.predict(draw(task, 0)), truth(task)
    prediction[2].view(-1)[:1] = math.nan if prediction.is_floating_point() else -1
    scores = ImageScores(task)
    scores.update(prediction, target)
    assert scores.evidence.broken_images == 1
    assert np.isnan(list(scores.compute().values())).all()
    each = scores.each(task.main_metric)
    assert [math.isnan(score) for score in each] == [image == 2 for image in range(IMAGES)]
    without = scores.compute(torch.tensor([1, 2, 0, 1, 1, 1]))
    good = task.metrics()
    chosen = torch.tensor([0, 1, 1, 3, 4, 5])
    good.update(prediction[chosen], target[chosen])
    assert without == pytest.approx({k: float(v) for k, v in good.compute().items()}, rel=1e-12)


def test_classes_are_counted_as_bincount_does() -> None:
    target = torch.randint(7, (4, 30), generator=torch.Generator().manual_seed(0))
    labelled = target < 5
    assert count_classes(target, labelled, 5).tolist() == torch.bincount(target[labelled], minlength=5).tolist()


@pytest.mark.parametrize(
    ("task", "target", "reason"),
    [
        (Segmentation(["a", "b"]), [[[0, 255], [0, 0]]], "only one of 2 classes occurs in the test labels"),
        (Segmentation(["a", "b", "c"]), [[[0, 2], [0, 0]]], None),
        (Segmentation(["a", "b"]), [[[255, 255]]], "the test split has no label of it"),
        (Segmentation(["a"]), [[[0, 255]]], "the only class there is occurs in the test labels"),
        (Classification("x", list("ab")), [1, -1, 1], "only one of 2 classes occurs in the test labels"),
        (Ordinal("x", list("abc")), [2, 2, 2], "only one of 3 classes occurs in the test labels"),
        (MultiLabel("x", list("ab")), [[1, 0], [1, -1]], "no label is both on and off in the test labels"),
        (MultiLabel("x", list("ab")), [[1, 0], [0, 0]], None),
        (Regression("x", 0, 1), [0.5, 0.5], None),
        (Regression("x", 0, 1), [math.nan], "the test split has no label of it"),
    ],
)
def test_scores_over_no_label_or_one_class_are_known(task: Task, target: list[object], reason: str | None) -> None:
    scores, truths = TaskScores.of(task), torch.tensor(target)
    prediction = torch.ones_like(truths) if not task.names else torch.zeros_like(truths)
    scores.update(prediction, truths)
    assert scores.read()[1].unscorable(task, "test") == reason
