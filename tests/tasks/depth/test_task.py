"""Depth against NumPy in float64 and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_absolute_percentage_error, root_mean_squared_error
from torch.nn import functional as F

from afanet.tasks import Depth

TASK = Depth()


def scores(predictions: list[torch.Tensor], targets: list[torch.Tensor]) -> dict[str, float]:
    metrics = TASK.metrics()
    for prediction, target in zip(predictions, targets, strict=True):
        metrics.update(prediction, target)
    return {key: float(value) for key, value in metrics.compute().items()}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), holes=st.floats(0, 0.9))
def test_metrics_equal_numpy_over_the_measured_pixels_of_the_set(seed: int, holes: float) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.5, 10, (5, 1, 4, 6)).astype(np.float32)
    truth[rng.random(truth.shape) < holes] = 0
    truth[0, 0, 0, 0] = 2
    predicted = rng.uniform(0.5, 10, truth.shape).astype(np.float32)
    batches = [slice(0, 1), slice(1, 4), slice(4, 5)]
    actual = scores(
        [torch.from_numpy(predicted[batch]) for batch in batches],
        [torch.from_numpy(truth[batch]) for batch in batches],
    )
    t, p = truth[truth > 0].astype(np.float64), predicted[truth > 0].astype(np.float64)
    ratio = np.maximum(t / p, p / t)
    expected = {
        "abs": mean_absolute_error(t, p),
        "rel": mean_absolute_percentage_error(t, p),
        "sq_rel": ((p - t) ** 2 / t).mean(),
        "log10": mean_absolute_error(np.log10(t), np.log10(p)),
        "rmse": root_mean_squared_error(t, p),
        "rmse_ln": root_mean_squared_error(np.log(t), np.log(p)),
        "rmse_log10": root_mean_squared_error(np.log10(t), np.log10(p)),
        "delta1": (ratio < 1.25).mean(),
        "delta2": (ratio < 1.5625).mean(),
        "delta3": (ratio < 1.953125).mean(),
    }
    assert actual == pytest.approx(expected, rel=1e-12)


def test_sums_do_not_lose_small_terms_over_a_large_set() -> None:
    truth = torch.full((1, 1, 100, 100), 1.0)
    batches = 200
    actual = scores([truth + 0.1] * batches, [truth] * batches)
    assert actual["abs"] == pytest.approx(float(np.float32(1.1)) - 1, rel=1e-12)


def test_every_metric_has_a_direction() -> None:
    actual = scores([torch.ones(1, 1, 2, 2)], [torch.ones(1, 1, 2, 2)])
    assert list(actual) == list(TASK.higher_is_better)
    perfect = {key: 1.0 if better else 0.0 for key, better in TASK.higher_is_better.items()}
    assert actual == perfect


def test_without_a_measurement_there_is_no_figure() -> None:
    assert np.isnan(list(scores([torch.ones(1, 1, 2, 2)], [torch.zeros(1, 1, 2, 2)]).values())).all()


@given(raw=st.floats(-(2.0**99), 2.0**99, width=32))
def test_predictions_are_positive_and_their_logarithm_finite(raw: float) -> None:
    metres = TASK.predict(torch.full((1, 1, 1, 1), raw))
    assert metres.dtype == torch.float32
    assert metres.item() >= 1e-3
    assert metres.log().isfinite().all()


def test_loss_is_the_mean_over_measured_pixels() -> None:
    logits = torch.randn(2, 1, 3, 4, dtype=torch.float64)
    target = torch.rand(2, 1, 3, 4) * 5 + 1
    target[0] = 0
    target[1, 0, 0] = torch.nan
    target[1, 0, 1, 0] = torch.inf
    kept = target[1, 0, 1:].flatten()[1:].double()
    expected = (F.softplus(logits[1, 0, 1:]).flatten()[1:] + 1e-3 - kept).abs().mean()
    assert TASK.loss(logits, target).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("hole", [0.0, torch.nan, torch.inf])
def test_a_batch_without_measurements_has_no_loss_and_no_gradient(hole: float) -> None:
    logits = torch.randn(2, 1, 3, 4, requires_grad=True)
    loss = TASK.loss(logits, torch.full((2, 1, 3, 4), hole))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_loss_is_float32_under_autocast() -> None:
    logits, target = torch.randn(2, 1, 3, 4).bfloat16(), torch.rand(2, 1, 3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        loss = TASK.loss(logits, target)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, TASK.loss(logits.float(), target))


def test_picture_runs_along_the_legend_and_is_black_where_nothing_was_measured() -> None:
    picture = TASK.picture(torch.tensor([[[1e-6, 10.0, 25.0, 0.0]]]))
    near, far = TASK.legend.colours[0].tolist(), TASK.legend.colours[-1].tolist()
    assert picture.tolist() == [[near, far, far, [0, 0, 0]]]
    assert (TASK.legend.low, TASK.legend.high, TASK.legend.unit) == (0, 10, "m")


@pytest.mark.parametrize("hole", [0.0, float("nan"), float("inf"), -1.0])
def test_a_hole_of_any_kind_gives_no_gradient(hole: float) -> None:
    logits = torch.zeros(1, 1, 1, 2, requires_grad=True)
    loss = Depth().loss(logits, torch.tensor([[[[2.0, hole]]]]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad[..., 0].item() != 0
    assert logits.grad[..., 1].item() == 0


def test_errors_are_metres_where_something_was_measured() -> None:
    error = Depth().error(torch.tensor([[[1.0, 4.0]]]), torch.tensor([[[3.0, 0.0]]]))
    torch.testing.assert_close(error, torch.tensor([[2.0, torch.nan]]), equal_nan=True)
