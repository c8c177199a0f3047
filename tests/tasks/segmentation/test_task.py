"""Segmentation against scikit-learn and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, jaccard_score
from torchmetrics.classification import MulticlassJaccardIndex

from afanet.tasks import Segmentation
from afanet.tasks.drawing.palette import palette

CLASSES = 5
TASK = Segmentation([f"class {index}" for index in range(CLASSES)])


def scores(predictions: list[torch.Tensor], targets: list[torch.Tensor]) -> dict[str, float]:
    metrics = TASK.metrics()
    for prediction, target in zip(predictions, targets, strict=True):
        metrics.update(prediction, target)
    return {key: float(value) for key, value in metrics.compute().items()}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), present=st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=CLASSES))
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_metrics_equal_scikit_learn_over_the_whole_set_whatever_the_batches(seed: int, present: list[int]) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.choice([*present, 255], size=(5, 4, 6))
    predicted = np.where(rng.random(truth.shape) < 0.4, truth % CLASSES, rng.integers(0, CLASSES, truth.shape))
    labelled = truth != 255
    assume(labelled.any())
    batches = [slice(0, 1), slice(1, 4), slice(4, 5)]
    actual = scores(
        [torch.from_numpy(predicted[batch]) for batch in batches],
        [torch.from_numpy(truth[batch]) for batch in batches],
    )
    t, p = truth[labelled], predicted[labelled]
    occurring = np.unique(t)
    iou = jaccard_score(t, p, labels=occurring, average=None)
    share = confusion_matrix(t, p, labels=range(CLASSES)).sum(1)[occurring] / t.size
    assert actual == pytest.approx(
        {
            "miou": iou.mean(),
            "pixel_accuracy": accuracy_score(t, p),
            "class_accuracy": balanced_accuracy_score(t, p),
            "fw_iou": (share * iou).sum(),
        },
        abs=1e-12,
    )


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_metrics_of_many_classes_equal_scikit_learn_and_take_little_memory() -> None:
    classes = 5000
    task = Segmentation([str(number) for number in range(classes)])
    rng = np.random.default_rng(0)
    truth = rng.integers(0, classes, (3, 40, 50)) // 20 * 20
    predicted = np.where(rng.random(truth.shape) < 0.5, truth, rng.integers(0, classes, truth.shape))
    truth[rng.random(truth.shape) < 0.1] = 65535
    metrics = task.metrics()
    for prediction, target in zip(predicted, truth, strict=True):
        metrics.update(torch.from_numpy(prediction[None]), torch.from_numpy(target[None]))
    t, p = truth[truth != 65535], predicted[truth != 65535]
    occurring, counts = np.unique(t, return_counts=True)
    iou = jaccard_score(t, p, labels=occurring, average=None)
    assert {key: float(value) for key, value in metrics.compute().items()} == pytest.approx(
        {
            "miou": iou.mean(),
            "pixel_accuracy": accuracy_score(t, p),
            "class_accuracy": balanced_accuracy_score(t, p),
            "fw_iou": (counts * iou).sum() / counts.sum(),
        },
        abs=1e-12,
    )
    states = [getattr(metric, state) for metric in metrics.values() for state in metric._defaults]
    assert sum(state.numel() for state in states) < 5 * classes


@pytest.mark.parametrize("classes", [255, 256])
def test_a_described_task_keeps_its_void(classes: int) -> None:
    task = Segmentation([str(number) for number in range(classes)])
    again = Segmentation.from_described(task)
    target = torch.tensor([[0, classes - 1, task.void]])
    assert again.void == task.void
    assert again.labelled(target).tolist() == [[True, True, False]]
    logits = torch.zeros(1, classes, 1, 3, requires_grad=True)
    assert again.loss(logits, target[None]).item() == pytest.approx(np.log(classes), rel=1e-5)
    assert again.fault(torch.full((1, 2), classes + 1)) is not None


def test_miou_is_torchmetrics_where_every_class_occurs() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(CLASSES, (3, 20, 20), generator=generator)
    predicted = torch.randint(CLASSES, (3, 20, 20), generator=generator)
    assert truth.unique().numel() == CLASSES
    expected = MulticlassJaccardIndex(CLASSES)(predicted, truth).item()
    assert scores([predicted], [truth])["miou"] == pytest.approx(expected, abs=1e-7)


def test_an_absent_class_is_neither_0_nor_1_but_its_false_pixels_cost_the_true_class() -> None:
    truth = torch.zeros(1, 1, 4, dtype=torch.long)
    assert scores([truth], [truth])["miou"] == 1
    one_wrong = torch.tensor([[[0, 0, 0, 3]]])
    assert scores([one_wrong], [truth])["miou"] == 0.75


def test_without_a_label_there_is_no_figure() -> None:
    void = torch.full((1, 2, 2), 255)
    assert np.isnan(list(scores([torch.zeros_like(void)], [void]).values())).all()


def test_every_metric_has_a_direction() -> None:
    truth = torch.zeros(1, 1, 4, dtype=torch.long)
    assert list(scores([truth], [truth])) == list(TASK.higher_is_better)
    assert TASK.main_metric in TASK.higher_is_better


def test_loss_is_the_mean_over_labelled_pixels() -> None:
    rng = np.random.default_rng(1)
    logits, target = rng.normal(size=(2, CLASSES, 3, 4)), rng.integers(0, CLASSES, (2, 3, 4))
    target[0] = 255
    target[1, 0] = 255
    log = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    picked = np.take_along_axis(log, np.where(target == 255, 0, target)[:, None], 1)[:, 0]
    actual = TASK.loss(torch.from_numpy(logits), torch.from_numpy(target))
    assert actual.dtype == torch.float32
    assert actual.item() == pytest.approx(-picked[target != 255].mean(), rel=1e-6)


def test_a_batch_without_labels_has_no_loss_and_no_gradient() -> None:
    logits = torch.randn(2, CLASSES, 3, 4, requires_grad=True)
    loss = TASK.loss(logits, torch.full((2, 3, 4), 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_loss_is_float32_under_autocast() -> None:
    target = torch.zeros(2, 3, 4, dtype=torch.long)
    logits = torch.randn(2, CLASSES, 3, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        loss = TASK.loss(logits, target)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, TASK.loss(logits.float(), target))


@pytest.mark.parametrize("classes", [2, 13, 40])
def test_colours_are_distinct_and_none_is_black(classes: int) -> None:
    colours = {tuple(colour) for colour in palette(classes).tolist()}
    assert len(colours) == classes
    assert (0, 0, 0) not in colours


def test_picture_shows_classes_in_the_legends_colours_and_void_black() -> None:
    picture = TASK.picture(torch.tensor([[0, 4], [255, 1]]))
    assert picture.dtype == np.uint8
    legend = TASK.legend.colours
    assert picture.tolist() == [[legend[0].tolist(), legend[4].tolist()], [[0, 0, 0], legend[1].tolist()]]


def test_errors_are_where_the_class_is_wrong() -> None:
    task = Segmentation(["a", "b"])
    error = task.error(torch.tensor([[0, 1, 1]]), torch.tensor([[0, 0, 255]]))
    torch.testing.assert_close(error, torch.tensor([[0.0, 1.0, torch.nan]]), equal_nan=True)
