"""Classification against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from torch.nn import functional as F

from afanet.tasks import Classification

AGE = Classification("age", [f"group {index}" for index in range(6)], ordinal=True)


def scores(predictions: list[torch.Tensor], targets: list[torch.Tensor]) -> dict[str, float]:
    metrics = AGE.metrics()
    for prediction, target in zip(predictions, targets, strict=True):
        metrics.update(prediction, target)
    return {key: float(value) for key, value in metrics.compute().items()}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), classes=st.integers(1, 6))
def test_metrics_equal_scikit_learn_over_the_whole_set_whatever_the_batches(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(-1, classes, 30), rng.integers(0, 6, 30)
    labelled = truth != -1
    assume(labelled.any())
    batches = [slice(0, 3), slice(3, 4), slice(4, 30)]
    actual = scores(
        [torch.from_numpy(predicted[batch]) for batch in batches],
        [torch.from_numpy(truth[batch]) for batch in batches],
    )
    t, p = truth[labelled], predicted[labelled]
    expected = {
        "accuracy": accuracy_score(t, p),
        "macro_f1": f1_score(t, p, average="macro"),
        "micro_f1": f1_score(t, p, average="micro"),
        "one_off": (abs(t - p) <= 1).mean(),
    }
    assert actual == pytest.approx(expected, abs=1e-6)


def test_every_metric_has_a_direction_and_only_ordered_classes_have_neighbours() -> None:
    one = torch.tensor([1])
    assert set(AGE.metrics()(one, one)) == set(AGE.higher_is_better)
    assert "one_off" in AGE.higher_is_better
    gender = Classification("gender", ["female", "male"])
    assert set(gender.metrics()(one, one)) == set(gender.higher_is_better) == {"accuracy", "macro_f1", "micro_f1"}


def test_loss_is_the_mean_over_labelled_samples() -> None:
    logits, target = torch.randn(5, 6, dtype=torch.float64), torch.tensor([0, -1, 5, 2, -1])
    expected = -F.log_softmax(logits, 1)[[0, 2, 3], [0, 5, 2]].mean()
    assert AGE.loss(logits, target).item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_batch_without_labels_has_no_loss_and_no_gradient() -> None:
    logits = torch.randn(3, 6, requires_grad=True)
    loss = AGE.loss(logits, torch.full((3,), -1))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_loss_is_float32_under_autocast() -> None:
    logits, target = torch.randn(3, 6).bfloat16(), torch.tensor([0, 1, -1])
    with torch.autocast("cpu", torch.bfloat16):
        loss = AGE.loss(logits, target)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, AGE.loss(logits.float(), target))


def test_captions_name_the_class_and_mark_what_is_not_labelled() -> None:
    assert [AGE.caption(value) for value in torch.tensor([0, 5, -1])] == ["group 0", "group 5", "?"]


@pytest.mark.parametrize("task", [AGE, Classification("gender", ["female", "male"])], ids=lambda task: task.name)
def test_there_are_no_figures_where_nothing_is_labelled(task: Classification) -> None:
    assert all(value.isnan() for value in task.metrics()(torch.tensor([1, 0]), torch.tensor([-1, -1])).values())
