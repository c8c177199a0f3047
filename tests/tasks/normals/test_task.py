"""Surface normals against NumPy in float64 and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.errors import InputError
from afanet.tasks import Normals

TASK = Normals()
NAN = float("nan")


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=(shape[0], 3, *shape[1:]))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def scores(predictions: list[torch.Tensor], targets: list[torch.Tensor]) -> dict[str, float]:
    metrics = TASK.metrics()
    for prediction, target in zip(predictions, targets, strict=True):
        metrics.update(prediction, target)
    return {key: float(value) for key, value in metrics.compute().items()}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), noise=st.floats(0.001, 3), rows=st.integers(1, 5))
def test_metrics_equal_numpy_over_all_labelled_pixels_whatever_the_batches(seed, noise, rows) -> None:
    rng = np.random.default_rng(seed)
    truth = unit(rng, 3, rows, 3)
    predicted = TASK.predict(torch.from_numpy(truth + noise * unit(rng, 3, rows, 3))).numpy()
    holes = rng.random((3, rows, 3)) < 0.3
    holes[0, 0, 0] = False
    truth.swapaxes(0, 1)[:, holes] = 0
    found = scores(
        [torch.from_numpy(predicted[b]) for b in ([0], [1, 2])], [torch.from_numpy(truth[b]) for b in ([0], [1, 2])]
    )
    p, t = (x.astype(np.float64).swapaxes(0, 1)[:, ~holes] for x in (predicted, truth))
    half = np.linalg.norm(p / np.linalg.norm(p, axis=0) - t / np.linalg.norm(t, axis=0), axis=0) / 2
    angle = np.degrees(2 * np.arcsin(half.clip(max=1)))
    assert found == pytest.approx(
        {
            "mean": angle.mean(),
            "median": np.median(angle),
            "rmse": np.sqrt((angle**2).mean()),
            "within_11": (angle < 11.25).mean(),
            "within_22": (angle < 22.5).mean(),
            "within_30": (angle < 30).mean(),
        },
        abs=0.00501,  # half a bin of the median's histogram; the others are checked below to more
    )
    assert found["mean"] == pytest.approx(angle.mean(), rel=1e-6, abs=1e-6)
    assert found["rmse"] == pytest.approx(np.sqrt((angle**2).mean()), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("degrees", "share"), [(11.24, (1, 1, 1)), (11.26, (0, 1, 1)), (22.6, (0, 0, 1)), (180, (0, 0, 0))]
)
def test_thresholds_of_one_known_angle(degrees: float, share: tuple[int, ...]) -> None:
    angle = torch.tensor(degrees).deg2rad()
    turned = torch.stack([angle.sin(), torch.tensor(0.0), angle.cos()])[None, :, None, None]
    found = scores([turned], [torch.tensor([0.0, 0, 1])[None, :, None, None]])
    assert found["mean"] == found["rmse"] == pytest.approx(degrees, abs=1e-4)
    assert found["median"] == pytest.approx(degrees, abs=0.006)
    assert [found[key] for key in ("within_11", "within_22", "within_30")] == list(share)


def test_every_metric_has_a_direction() -> None:
    truth = torch.from_numpy(unit(np.random.default_rng(0), 2, 4, 5))
    found = scores([truth], [truth])
    assert list(found) == list(TASK.higher_is_better)
    assert TASK.main_metric in found
    assert {key: round(value) for key, value in found.items()} == {k: int(x) for k, x in TASK.higher_is_better.items()}


def test_without_a_label_there_is_no_figure() -> None:
    assert np.isnan(list(scores([torch.ones(1, 3, 2, 2)], [torch.zeros(1, 3, 2, 2)]).values())).all()


def test_loss_is_one_minus_the_cosine_over_labelled_pixels() -> None:
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(size=(2, 3, 3, 4)), unit(rng, 2, 3, 4)
    truth[0] = 0
    truth[1, :, 0] = NAN
    cosine = (logits[1] * truth[1]).sum(0)[1:] / np.linalg.norm(logits[1], axis=0)[1:]
    loss = TASK.loss(torch.from_numpy(logits), torch.from_numpy(truth))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(1 - cosine.mean(), rel=1e-6)


@pytest.mark.parametrize("hole", [0.0, NAN, float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_holes_give_no_gradient_whatever_the_logits(hole: float, dtype: torch.dtype) -> None:
    logits = torch.tensor([[1.0, 2, 3], [0, 0, 0], [1e4, 1, 0]]).T[None, :, None].to(dtype).requires_grad_()
    target = torch.full((1, 3, 1, 3), hole)
    loss = TASK.loss(logits, target)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()
    target[..., 0] = torch.tensor([0.0, 1, 0])[:, None]
    logits.grad = None
    TASK.loss(logits, target).backward()
    assert (logits.grad[..., 0] != 0).any()
    assert (logits.grad[..., 1:] == 0).all()


def test_logits_of_no_length_have_a_bounded_gradient() -> None:
    logits = torch.zeros(1, 3, 1, 1, requires_grad=True)
    TASK.loss(logits, torch.tensor([0.0, 0, 1])[None, :, None, None]).backward()
    assert logits.grad is not None
    assert 0 < logits.grad.abs().max() <= 1000 + 1e-3


def test_predictions_have_unit_length_in_float32() -> None:
    predicted = TASK.predict(torch.randn(2, 3, 4, 5).bfloat16() * 100)
    assert predicted.dtype == torch.float32
    assert torch.allclose(predicted.norm(dim=1), torch.ones(2, 4, 5))


def test_labelled_pixels_of_a_map_and_of_a_batch() -> None:
    assert not TASK.labelled(TASK.unlabelled((2, 2))).any()
    target = torch.zeros(2, 3, 1, 2)
    target[1, 2, 0, 0] = -1
    target[1, 2, 0, 1] = NAN
    assert TASK.labelled(target).tolist() == [[[[False, False]]], [[[True, False]]]]
    assert TASK.labelled(target[1]).tolist() == [[[True, False]]]


def test_picture_has_the_legends_colours_and_is_black_where_nothing_is_known() -> None:
    assert TASK.legend.names == ("left", "right", "up", "down", "to the camera")
    target = torch.tensor([[-1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, 0], [NAN, 0, 0]])
    picture = TASK.picture(target.T[:, None])
    assert picture.dtype == np.uint8
    assert picture.tolist() == [[*TASK.legend.colours.tolist(), [0, 0, 0], [0, 0, 0]]]
    assert len({tuple(colour) for colour in TASK.legend.colours.tolist()}) == 5


def test_vectors_of_another_length_are_a_fault() -> None:
    target = torch.from_numpy(unit(np.random.default_rng(0), 1, 4, 5))[0]
    target[:, 0] = 0
    assert TASK.fault(target) is None
    for wrong, said in ((2.0, "2"), (NAN, "nan")):
        faulty = target.clone()
        faulty[:, 1, 1] = torch.tensor([0, wrong, 0])
        assert TASK.fault(faulty) == f"a normal of length {said}, expected 1, or 0 for none"


def test_errors_are_angles_in_degrees_where_a_normal_is_known() -> None:
    up, ahead, nothing = [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]
    prediction = torch.tensor([up, up, up]).T[:, None]
    target = torch.tensor([up, ahead, nothing]).T[:, None]
    error = Normals().error(prediction, target)
    torch.testing.assert_close(error, torch.tensor([[0.0, 90.0, torch.nan]]), equal_nan=True)


def test_a_prediction_of_no_direction_is_drawn_as_wrong_as_a_right_angle() -> None:
    wall = torch.tensor([0.0, 0.0, 1.0])[None, :, None, None]
    predicted = TASK.predict(torch.zeros(1, 3, 1, 1))
    assert TASK.error(predicted[0], wall[0]).item() == pytest.approx(90)


def test_l1_is_the_sum_of_three_differences_between_unit_vectors_over_labelled_pixels() -> None:
    torch.manual_seed(0)
    logits, truth = torch.randn(2, 3, 4, 5), torch.nn.functional.normalize(torch.randn(2, 3, 4, 5), dim=1)
    truth[:, :, :2] = 0
    vectors = logits.double() / logits.double().norm(dim=1, keepdim=True)
    expected = (vectors - truth).abs().sum(1)[:, 2:].mean()
    assert Normals().with_loss({"name": "l1"}).loss(logits, truth).item() == pytest.approx(expected.item(), rel=1e-5)
    with pytest.raises(InputError, match="unknown loss of task 'normals' 'l2', did you mean 'l1'"):
        Normals().with_loss({"name": "l2"})
