"""Ordinal regression against scikit-learn, its own chances in float64 and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, cohen_kappa_score, mean_absolute_error

from afanet.errors import InputError
from afanet.tasks import Ordinal

CLASSES = 5
TASK = Ordinal("age", [f"group {index}" for index in range(CLASSES)])


def scores(predictions: list[torch.Tensor], targets: list[torch.Tensor]) -> dict[str, float]:
    metrics = TASK.metrics()
    for prediction, target in zip(predictions, targets, strict=True):
        metrics.update(prediction, target)
    return {key: float(value) for key, value in metrics.compute().items()}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), classes=st.integers(2, CLASSES))
def test_metrics_equal_scikit_learn_over_the_whole_set_whatever_the_batches(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(-1, classes, 30), rng.integers(0, CLASSES, 30)
    labelled = truth != -1
    assume(labelled.any())
    batches = [slice(0, 3), slice(3, 4), slice(4, 30)]
    actual = scores([torch.from_numpy(predicted[b]) for b in batches], [torch.from_numpy(truth[b]) for b in batches])
    t, p = truth[labelled], predicted[labelled]
    expected = {
        "accuracy": accuracy_score(t, p),
        "mae": mean_absolute_error(t, p),
        "one_off": (abs(t - p) <= 1).mean(),
        "kappa": cohen_kappa_score(t, p, weights="quadratic", labels=range(CLASSES)),
    }
    assert actual == pytest.approx(expected, abs=1e-6)


def test_every_metric_has_a_direction() -> None:
    truth = torch.arange(CLASSES)
    assert scores([truth], [truth]) == {key: float(better) for key, better in TASK.higher_is_better.items()}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.floats(0.1, 20))
def test_chances_of_lying_beyond_never_rise_and_the_prediction_counts_those_above_one_half(seed, scale) -> None:
    logits = torch.randn(8, CLASSES - 1, generator=torch.Generator().manual_seed(seed)) * scale
    given_before = 1 / (1 + np.exp(-logits.double().numpy()))
    beyond = np.multiply.accumulate(given_before, axis=1)
    assume((abs(beyond - 0.5) > 1e-6).all())
    assert (np.diff(beyond, axis=1) <= 0).all()
    assert TASK.predict(logits).tolist() == (beyond > 0.5).sum(1).tolist()


def test_loss_is_minus_the_logarithm_of_the_true_classes_chance_per_question() -> None:
    logits, target = torch.randn(6, CLASSES - 1, dtype=torch.float64), torch.tensor([0, 4, 2, -1, 3, 1])
    given_before = 1 / (1 + np.exp(-logits.numpy()))
    total, questions = 0.0, 0
    for chances, y in zip(given_before, target.tolist(), strict=True):
        if y == -1:
            continue
        # P(y) = f_0 ... f_{y-1} (1 - f_y), without the last factor for the last class
        chance = np.prod(chances[:y]) * (1 - chances[y] if y < CLASSES - 1 else 1)
        total, questions = total - np.log(chance), questions + min(y + 1, CLASSES - 1)
    assert TASK.loss(logits, target).item() == pytest.approx(total / questions, rel=1e-6)


def test_training_on_one_image_learns_its_class() -> None:
    for truth in range(CLASSES):
        logits = torch.zeros(1, CLASSES - 1, requires_grad=True)
        optimizer = torch.optim.SGD([logits], lr=2.0)
        for _ in range(30):
            optimizer.zero_grad()
            TASK.loss(logits, torch.tensor([truth])).backward()
            optimizer.step()
        assert TASK.predict(logits).item() == truth


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_only_the_questions_of_labelled_samples_give_a_gradient(dtype: torch.dtype) -> None:
    logits = torch.zeros(3, CLASSES - 1, dtype=dtype, requires_grad=True)
    TASK.loss(logits, torch.tensor([-1, 1, 4])).backward()
    assert logits.grad is not None
    assert (logits.grad != 0).tolist() == [[False] * 4, [True, True, False, False], [True] * 4]


@pytest.mark.parametrize("logit", [0.5, 1e30, float("inf")])
def test_a_batch_without_labels_has_no_loss_and_no_gradient(logit: float) -> None:
    logits = torch.full((2, CLASSES - 1), logit, requires_grad=True)
    loss = TASK.loss(logits, torch.stack([TASK.unlabelled((4, 5))] * 2))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_loss_is_float32_under_autocast() -> None:
    logits, target = torch.randn(3, CLASSES - 1).bfloat16(), torch.tensor([0, 3, -1])
    with torch.autocast("cpu", torch.bfloat16):
        loss = TASK.loss(logits, target)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, TASK.loss(logits.float(), target))


def test_captions_name_the_class_and_mark_what_is_not_labelled() -> None:
    assert [TASK.caption(value) for value in torch.tensor([0, 4, -1])] == ["group 0", "group 4", "?"]


def test_one_class_is_no_order() -> None:
    with pytest.raises(InputError, match="ordinal task 'age' has 1 classes, expected at least two"):
        Ordinal("age", ["all"])


def test_tally_and_fault_of_targets_as_they_lie_on_disk() -> None:
    assert TASK.names == TASK.classes
    assert TASK.tally(torch.tensor([4, -1, 1, 4])).tolist() == [0, 1, 0, 0, 2]
    assert TASK.fault(torch.tensor(-1)) is None
    assert TASK.fault(torch.tensor(5)) == "label 5, expected 0 to 4"
