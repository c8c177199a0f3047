"""Losses of depth against NumPy in float64 and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from afanet.errors import InputError
from afanet.tasks import Depth
from afanet.tasks.depth.losses import DEPTH_LOSSES, berhu, l1, silog

OPTIONS = [{}, {"name": "berhu"}, {"name": "silog"}, {"name": "silog", "lambda": 1}]
every_loss = pytest.mark.parametrize("options", OPTIONS, ids=str)


def maps(seed: int, holes: float) -> tuple[Tensor, Tensor, Tensor]:
    """A prediction, a truth with holes of every kind, and where it has none, float64."""
    rng = np.random.default_rng(seed)
    p, t = rng.uniform(0.1, 10, (2, 3, 1, 4, 5))
    valid = rng.random(t.shape) >= holes
    valid[0, 0, 0, 0] = True
    t[~valid] = rng.choice([0, -1, np.nan, np.inf], (~valid).sum())
    return torch.from_numpy(p), torch.from_numpy(t), torch.from_numpy(valid)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), holes=st.floats(0, 0.99), weight=st.floats(0, 0.99))
def test_losses_equal_numpy_over_the_measured_pixels(seed: int, holes: float, weight: float) -> None:
    p, t, valid = maps(seed, holes)
    kept, truth = p.numpy()[valid], t.numpy()[valid]
    error = abs(kept - truth)
    c = error.max() / 5
    assert l1(p, t, valid).item() == pytest.approx(error.mean(), rel=1e-12)
    per_pixel = [e if e <= c else (e * e + c * c) / (2 * c) for e in error]
    assert berhu(p, t, valid).item() == pytest.approx(np.mean(per_pixel), rel=1e-12)
    d = np.log(kept) - np.log(truth)
    expected = math.sqrt((d * d).mean() - weight * d.mean() ** 2)
    assert silog(p, t, valid, weight=weight).item() == pytest.approx(expected, rel=1e-10)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), holes=st.floats(0, 0.8), weight=st.floats(0, 0.99))
def test_gradients_are_the_closed_forms_and_none_at_holes(seed: int, holes: float, weight: float) -> None:
    p, t, valid = maps(seed, holes)
    p.requires_grad_()
    with torch.no_grad():
        n, e = valid.sum(), torch.where(valid, p - t, 0)
        c = e.abs().max() / 5  # a constant: its own gradient would go to the largest error
        d = torch.where(valid, p / t, 1).log()
        mean = d.sum() / n
        root = (d.square().sum() / n - weight * mean**2).sqrt()
        expected = {
            l1(p, t, valid): e.sign() / n,
            berhu(p, t, valid): torch.where(e.abs() <= c, e.sign(), e / c) / n,
            silog(p, t, valid, weight=weight): torch.where(valid, (d - weight * mean) / (n * root * p), 0),
        }
    with torch.enable_grad():
        losses = l1(p, t, valid), berhu(p, t, valid), silog(p, t, valid, weight=weight)
    for loss, closed in zip(losses, expected.values(), strict=True):
        (gradient,) = torch.autograd.grad(loss, p)
        torch.testing.assert_close(gradient, closed, rtol=1e-8, atol=1e-12)


@given(largest=st.floats(0.01, 100), share=st.floats(0, 1))
def test_berhu_is_linear_up_to_a_fifth_of_the_largest_error_and_continuous(largest: float, share: float) -> None:
    def of(small: float) -> float:
        p = torch.tensor([largest, small], dtype=torch.float64)
        return 2 * berhu(p, torch.zeros_like(p), torch.ones(2).bool()).item() - 2.6 * largest  # (1 + 0.04) / 0.4

    c = largest / 5
    assert of(share * c) == pytest.approx(share * c, abs=1e-12 * largest)
    assert of(c * (1 + 1e-9)) == pytest.approx(c, rel=1e-8)
    assert of(2 * c) == pytest.approx(2.5 * c, rel=1e-12)


@given(seed=st.integers(0, 2**31), scale=st.floats(0.01, 100))
def test_at_lambda_1_silog_does_not_see_scale_and_below_it_does(seed: int, scale: float) -> None:
    p, t, valid = maps(seed, 0.2)
    exact = silog(p, t, valid, weight=1).item()
    assert silog(scale * p, t, valid, weight=1).item() == pytest.approx(exact, rel=1e-6, abs=1e-6)
    half = torch.full((1,), scale, dtype=torch.float64)
    alone = silog(half, torch.ones_like(half), torch.tensor([True])).item()
    assert alone == pytest.approx(abs(math.log(scale)) * math.sqrt(0.5), abs=1e-6)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_perfect_prediction_costs_nothing_and_gives_no_gradient(options: dict, dtype: torch.dtype) -> None:
    task = Depth().with_loss(options)
    logits = torch.randn(2, 1, 3, 4).to(dtype).requires_grad_()
    loss = task.loss(logits, task.predict(logits).detach())
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


@every_loss
@given(power=st.floats(-30, 4))
def test_gradients_are_bounded_however_small_the_error(options: dict, power: float) -> None:
    t = torch.rand(50, dtype=torch.float64) + 1
    p = (t + 10**power * torch.randn(50, dtype=torch.float64)).clamp(min=0.1).requires_grad_()
    kind, weight = options.get("name", "l1"), {"weight": options["lambda"]} if "lambda" in options else {}
    (gradient,) = torch.autograd.grad(DEPTH_LOSSES[kind](p, t, t > 0, **weight), p)
    assert gradient.abs().max() <= {"l1": 1 / 50, "berhu": 5 / 50, "silog": 10 / math.sqrt(50)}[kind] * (1 + 1e-6)


@every_loss
@pytest.mark.parametrize("hole", [0.0, float("nan"), float("inf"), -1.0])
def test_a_hole_of_any_kind_gives_no_gradient(options: dict, hole: float) -> None:
    logits = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3).requires_grad_()
    Depth().with_loss(options).loss(logits, torch.tensor([[[[2.0, 3.0, hole]]]])).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert (logits.grad != 0).flatten().tolist() == [True, True, False]


@every_loss
def test_losses_are_float32_under_autocast(options: dict) -> None:
    task, logits, target = Depth().with_loss(options), torch.randn(2, 1, 3, 4).bfloat16(), torch.rand(2, 1, 3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        loss = task.loss(logits, target)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, task.loss(logits.float(), target))


def test_a_task_with_another_loss_is_another_task() -> None:
    task, logits, target = Depth(max_metres=3), torch.randn(2, 1, 3, 4), torch.rand(2, 1, 3, 4)
    before = task.loss(logits, target)
    actual = [task.with_loss(options) for options in ({"name": "l1"}, *OPTIONS, {"name": "silog", "lambda": 0.85})]
    assert [other.max_metres for other in actual] == [3] * 6
    assert len({other.loss(logits, target).item() for other in actual}) == 5  # l1 is what there is without a name
    assert torch.equal(task.loss(logits, target), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nmae": "l1"}, "unknown option of the loss of task 'depth' 'nmae', did you mean 'name'"),
        ({"name": "berHu"}, "unknown loss of task 'depth' 'berHu', did you mean 'berhu'"),
        ({"name": ["l1"]}, "unknown loss of task 'depth'"),
        ({"lambda": 0.5}, "lambda of task 'depth' is an option of the loss silog, not of l1"),
        ({"name": "silog", "lambda": 1.5}, "lambda of task 'depth' is 1.5, expected a number from 0 to 1"),
        ({"name": "silog", "lambda": True}, "lambda of task 'depth' is True, expected"),
        ({"name": "silog", "lambda": "half"}, "lambda of task 'depth' is 'half', expected"),
    ],
)
def test_what_cannot_be_is_said(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Depth().with_loss(options)
