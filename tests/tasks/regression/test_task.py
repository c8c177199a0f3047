"""Scalar regression against scikit-learn and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from afanet.errors import InputError
from afanet.tasks import Regression

TASK = Regression("age", low=20, high=80, unit="years")
NAN = float("nan")


def scores(task: Regression, predictions: list[torch.Tensor], targets: list[torch.Tensor]) -> dict[str, float]:
    metrics = task.metrics()
    for prediction, target in zip(predictions, targets, strict=True):
        metrics.update(prediction, target)
    return {key: float(value) for key, value in metrics.compute().items()}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), centre=st.floats(-1e6, 1e6), spread=st.floats(1, 1e3))
def test_metrics_equal_scikit_learn_over_the_labelled_of_the_set(seed: int, centre: float, spread: float) -> None:
    rng = np.random.default_rng(seed)
    truth = (centre + spread * rng.normal(size=30)).astype(np.float32)
    predicted = truth + (spread * rng.normal(size=30)).astype(np.float32)
    truth[3:12] = NAN
    batches = [slice(0, 3), slice(3, 4), slice(4, 30)]
    actual = scores(
        Regression("x", centre - spread, centre + spread),
        [torch.from_numpy(predicted[b]) for b in batches],
        [torch.from_numpy(truth[b]) for b in batches],
    )
    t, p = (x[np.isfinite(truth)].astype(np.float64) for x in (truth, predicted))
    expected = {"mae": mean_absolute_error(t, p), "rmse": root_mean_squared_error(t, p), "r2": r2_score(t, p)}
    assert actual == pytest.approx(expected, rel=1e-7)


def test_every_metric_has_a_direction() -> None:
    truth = torch.tensor([30.0, 40.0])
    perfect = {key: float(better) for key, better in TASK.higher_is_better.items()}
    assert scores(TASK, [truth], [truth]) == perfect
    assert TASK.main_metric in perfect


def test_what_cannot_be_told_is_no_number() -> None:
    nothing = scores(TASK, [torch.ones(2)], [torch.full((2,), NAN)])
    assert np.isnan(list(nothing.values())).all()
    same = scores(TASK, [torch.tensor([31.0, 33.0])], [torch.tensor([31.3, 31.3])])
    assert same["mae"] == pytest.approx(1, abs=1e-5)
    assert np.isnan(same["r2"])


@pytest.mark.parametrize(("error", "loss"), [(0, 0), (0.5, 0.125), (1, 0.5), (3, 2.5), (-3, 2.5)])
def test_loss_is_hubers_in_units_of_half_the_range(error: float, loss: float) -> None:
    target = torch.tensor([41.0])
    logits = (target[:, None] + 30 * error - 50) / 30
    assert TASK.predict(logits).item() == pytest.approx(41 + 30 * error, rel=1e-5)  # beyond the range too
    assert TASK.loss(logits, target).item() == pytest.approx(loss, abs=1e-5)


def test_loss_is_the_mean_over_labelled_samples_and_they_alone_give_a_gradient() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        logits = torch.tensor([[1.0], [2.0], [-1.0], [0.0]], dtype=dtype, requires_grad=True)
        loss = TASK.loss(logits, torch.tensor([50.0, NAN, 50.0, float("inf")]))
        loss.backward()
        assert loss.item() == 0.5
        assert logits.grad is not None
        assert logits.grad.flatten().tolist() == [0.5, 0, -0.5, 0]


def test_a_batch_without_labels_has_no_loss_and_no_gradient() -> None:
    logits = torch.randn(2, 1, requires_grad=True)
    loss = TASK.loss(logits, torch.stack([TASK.unlabelled((4, 5))] * 2))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_loss_and_prediction_are_float32_under_autocast() -> None:
    logits, target = torch.randn(3, 1).bfloat16(), torch.tensor([30.0, 70.0, NAN])
    with torch.autocast("cpu", torch.bfloat16):
        loss, prediction = TASK.loss(logits, target), TASK.predict(logits)
    assert loss.dtype == prediction.dtype == torch.float32
    assert torch.equal(loss, TASK.loss(logits.float(), target))


@pytest.mark.parametrize(
    ("low", "high", "unit", "value", "message"),
    [
        (0, 100, "years", 31.44, "31.4 years"),
        (0, 1, "", 0.12345, "0.123"),
        (0, 90000, "g", 1234.5678, "1235 g"),
        (0, 100, "years", NAN, "?"),
    ],
)
def test_captions_have_a_unit_and_no_more_digits_than_the_range_asks_for(low, high, unit, value, message) -> None:
    assert Regression("x", low, high, unit).caption(torch.tensor(value)) == message


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (NAN, 1), (0, float("inf"))])
def test_a_range_that_is_none(low: float, high: float) -> None:
    with pytest.raises(InputError, match=f"task 'x' has the range {low} to {high}, expected"):
        Regression("x", low, high)


def test_an_infinite_number_is_a_fault_and_one_outside_the_range_is_none() -> None:
    assert not TASK.names
    assert [TASK.fault(torch.tensor(value)) for value in (NAN, 300.0, -1.0)] == [None] * 3
    assert TASK.fault(torch.tensor(float("-inf"))) == "an infinite value, expected a number, or nothing"
