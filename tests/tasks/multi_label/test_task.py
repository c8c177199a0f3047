"""Multi-label classification against scikit-learn and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from torchmetrics.functional.classification import multilabel_f1_score

from afanet.tasks import MultiLabel

TASK = MultiLabel("face", ["smiling", "glasses", "hat"])


def scores(predictions: list[torch.Tensor], targets: list[torch.Tensor]) -> dict[str, float]:
    metrics = TASK.metrics()
    for prediction, target in zip(predictions, targets, strict=True):
        metrics.update(prediction, target)
    return {key: float(value) for key, value in metrics.compute().items()}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), on=st.floats(0, 1), missing=st.floats(0, 1))
def test_metrics_equal_scikit_learn_label_by_label_whatever_the_batches(seed: int, on: float, missing: float) -> None:
    rng = np.random.default_rng(seed)
    predicted = rng.integers(0, 2, (12, 3))
    truth = np.where(rng.random((12, 3)) < missing, -1, rng.random((12, 3)) < on)
    columns = [(truth[truth[:, i] >= 0, i], predicted[truth[:, i] >= 0, i]) for i in range(3)]
    known = [(t, p) for t, p in columns if t.size]
    assume(any(t.any() or p.any() for t, p in known))
    batches = [slice(0, 3), slice(3, 4), slice(4, 12)]
    actual = scores([torch.from_numpy(predicted[b]) for b in batches], [torch.from_numpy(truth[b]) for b in batches])
    every_truth, every_prediction = (np.concatenate(part) for part in zip(*known, strict=True))
    assert actual == pytest.approx(
        {
            "accuracy": np.mean([accuracy_score(t, p) for t, p in known]),
            "macro_f1": np.nanmean([f1_score(t, p, zero_division=np.nan) for t, p in known]),
            "micro_f1": f1_score(every_truth, every_prediction),
        },
        abs=1e-12,
    )


def test_macro_f1_is_torchmetrics_where_every_label_is_on_somewhere() -> None:
    truth, predicted = torch.tensor([[1, 1, -1], [0, 1, 1]]), torch.tensor([[1, 0, 1], [1, 1, 0]])
    expected = multilabel_f1_score(predicted, truth, num_labels=3, ignore_index=-1).item()
    assert scores([predicted], [truth])["macro_f1"] == pytest.approx(expected, abs=1e-7)


def test_a_label_without_an_entry_costs_nothing() -> None:
    truth = torch.tensor([[1, -1, 0], [0, -1, 1]])
    assert scores([truth.clamp(min=0)], [truth]) == {"accuracy": 1, "macro_f1": 1, "micro_f1": 1}


def test_without_a_label_there_is_no_figure_and_every_metric_has_a_direction() -> None:
    actual = scores([torch.ones(2, 3).long()], [torch.full((2, 3), -1)])
    assert np.isnan(list(actual.values())).all()
    assert list(actual) == list(TASK.higher_is_better)
    assert TASK.main_metric in actual


def test_loss_is_the_mean_over_labelled_entries() -> None:
    logits, target = (
        torch.randn(4, 3, dtype=torch.float64),
        torch.tensor([[0, 1, -1], [-1] * 3, [1, -1, 1], [-1, 0, -1]]),
    )
    chance = 1 / (1 + np.exp(-logits.numpy()))
    terms = -np.log(np.where(target == 1, chance, 1 - chance))[target.numpy() >= 0]
    assert TASK.loss(logits, target).item() == pytest.approx(terms.mean(), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_only_labelled_entries_give_a_gradient(dtype: torch.dtype) -> None:
    logits = torch.randn(2, 3).to(dtype).requires_grad_()
    TASK.loss(logits, torch.tensor([[0, -1, 1], [-1, -1, -1]])).backward()
    assert logits.grad is not None
    assert (logits.grad != 0).tolist() == [[True, False, True], [False, False, False]]


@pytest.mark.parametrize("logit", [0.5, 1e30, float("inf")])
def test_a_batch_without_labels_has_no_loss_and_no_gradient(logit: float) -> None:
    logits = torch.full((2, 3), logit, requires_grad=True)
    loss = TASK.loss(logits, torch.stack([TASK.unlabelled((4, 5))] * 2))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_loss_is_float32_under_autocast() -> None:
    logits, target = torch.randn(2, 3).bfloat16(), torch.tensor([[0, -1, 1], [1, 1, 0]])
    with torch.autocast("cpu", torch.bfloat16):
        loss = TASK.loss(logits, target)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, TASK.loss(logits.float(), target))


def test_predictions_have_the_targets_form() -> None:
    assert TASK.output.channels == 3
    prediction = TASK.predict(torch.tensor([[0.1, -0.1, 0.0]]))
    assert prediction.dtype == torch.int64
    assert prediction.tolist() == [[1, 0, 0]]


def test_captions_name_what_is_on_and_mark_what_is_not_labelled() -> None:
    values = torch.tensor([[1, 0, 1], [0, 0, 0], [1, -1, 0], [-1, -1, -1]])
    assert [TASK.caption(value) for value in values] == [
        "smiling, hat",
        "none",
        "smiling, glasses?",
        "smiling?, glasses?, hat?",
    ]


def test_tally_and_fault_of_targets_as_they_lie_on_disk() -> None:
    target = torch.tensor([1, -1, 0])
    assert TASK.tally(target).tolist() == [1, 0, 0]
    assert TASK.tally(torch.tensor([[1, 0, 1], [1, -1, 0]])).tolist() == [2, 0, 1]
    assert TASK.fault(target) is None
    for wrong in (2, -2):
        assert TASK.fault(torch.tensor([wrong, 0, 1])) == f"label {wrong}, expected 1 (on), 0 (off) or -1 (unlabelled)"
