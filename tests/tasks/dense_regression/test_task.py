"""Dense regression against scikit-learn, through files, and from nearer views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from afanet.data.transforms import Zoom
from afanet.declared import declare
from afanet.errors import InputError
from afanet.tasks import DenseRegression
from afanet.tasks.dense_regression.column import DenseRegressionColumn
from afanet.tasks.dense_regression.result import QuantityMap
from afanet.tasks.dense_regression.target import MAPS

NAN = float("nan")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), centre=st.floats(-1e5, 1e5), spread=st.floats(1, 1e3))
def test_metrics_equal_scikit_learn_over_the_labelled_pixels_of_the_set(
    seed: int, centre: float, spread: float
) -> None:
    rng = np.random.default_rng(seed)
    truth = (centre + spread * rng.normal(size=(5, 1, 3, 4))).astype(np.float32)
    predicted = truth + (spread * rng.normal(size=truth.shape)).astype(np.float32)
    truth[rng.random(truth.shape) < 0.3] = NAN
    truth[2] = NAN
    metrics = DenseRegression("x", centre - spread, centre + spread).metrics()
    for batch in (slice(0, 2), slice(2, 3), slice(3, 5)):
        metrics.update(torch.from_numpy(predicted[batch]), torch.from_numpy(truth[batch]))
    t, p = (x[np.isfinite(truth)].astype(np.float64) for x in (truth, predicted))
    expected = {"mae": mean_absolute_error(t, p), "rmse": root_mean_squared_error(t, p), "r2": r2_score(t, p)}
    assert {key: float(value) for key, value in metrics.compute().items()} == pytest.approx(expected, rel=1e-6)


def test_loss_and_gradient_are_hubers_in_half_ranges_over_what_is_labelled() -> None:
    task = DenseRegression("x", 10, 30)
    logits = torch.randn(2, 1, 3, 4, requires_grad=True)
    target = 20 + 30 * torch.randn(2, 1, 3, 4)
    target[0, 0, 0] = NAN
    task.loss(logits, target).backward()
    error = (logits.detach().double() - (target.double() - 20) / 10)[target.isfinite()].numpy()
    expected = np.where(abs(error) < 1, error**2 / 2, abs(error) - 0.5).mean()
    assert task.loss(logits, target).item() == pytest.approx(expected, rel=1e-5)
    assert logits.grad is not None
    assert torch.equal(logits.grad != 0, target.isfinite())


@pytest.mark.parametrize(("zoom", "power"), [("same", 0), ("inverse", -1), ("proportional", 1)])
def test_values_follow_a_nearer_view_as_declared_and_back_in_results(zoom: Any, power: int) -> None:
    torch.manual_seed(0)
    near = Zoom((4, 4), most=3.0)(MAPS[zoom](torch.full((1, 12, 12), 5.0)))
    scale = float(near[0, 0, 0] / 5) ** (1 / power) if power else 1.0
    assert type(near) is MAPS[zoom]
    assert (1 < scale <= 3) == bool(power)
    meaning = DenseRegression("x", 0, 1, zoom=zoom).meaning
    undone = QuantityMap.undo_meant(meaning, near[None].numpy(), False, scale)
    np.testing.assert_allclose(undone, 5.0, rtol=1e-6)


def column(**keys: Any) -> DenseRegressionColumn:
    return declare(DenseRegressionColumn, {"range": [0, 10], **keys}, "x")


def test_files_are_read_as_they_are(tmp_path: Path) -> None:
    steps = np.array([[0, 1], [256, 65535]], np.uint16)
    Image.fromarray(steps).save(tmp_path / "16.png")
    Image.fromarray(steps.astype(np.uint8)).save(tmp_path / "8.png")
    np.save(tmp_path / "a.npy", np.array([[NAN, -9999, 3.5]], np.float64))
    np.save(tmp_path / "b.npy", steps)
    np.savez(tmp_path / "c.npz", steps)
    Image.fromarray(np.float32([[-1.5, NAN]])).save(tmp_path / "d.tif")
    read = column(scale=0.5, void=0).read(tmp_path / "16.png")
    assert (read.dtype, read.shape) == (torch.float32, (1, 2, 2))
    np.testing.assert_array_equal(read, [[[NAN, 0.5], [128, 32767.5]]])
    for name in ("b.npy", "c.npz"):
        np.testing.assert_array_equal(column(scale=0.5, void=0).read(tmp_path / name), read)
    np.testing.assert_array_equal(column(scale=2).read(tmp_path / "d.tif"), [[[-3, NAN]]])
    np.testing.assert_array_equal(column(void=-1).read(tmp_path / "8.png"), [[[0, 1], [0, 255]]])
    np.testing.assert_array_equal(column(void=-9999).read(tmp_path / "a.npy"), [[[NAN, NAN, 3.5]]])


def test_numbers_are_the_same_in_every_format(tmp_path: Path) -> None:
    heights = np.array([[NAN, -3.5, 0], [2, 1e4, 0.25]], np.float32)
    Image.fromarray(heights).save(tmp_path / "a.tif")
    np.savez_compressed(tmp_path / "a.npz", heights)
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Height": heights}).write(str(tmp_path / "a.exr"))
    for suffix in ("tif", "npz", "exr"):
        np.testing.assert_array_equal(column(scale=2, void=0).read(tmp_path / f"a.{suffix}")[0, 0], [NAN, -7, NAN])
    steps = np.array([[0, 300]], np.uint16)
    Image.fromarray(steps).save(tmp_path / "steps.tif")
    np.testing.assert_array_equal(column().read(tmp_path / "steps.tif")[0], steps)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (np.array([[np.inf]]), "has a value that is infinite, expected numbers, and NaN for none: mend it"),
        (np.array([[3e38]]), "has a value that is infinite"),
        (np.zeros((2, 2, 3)), r"holds float64 \(2, 2, 3\), expected a map of numbers \(H, W\)"),
        (np.array(["a"]), "holds no plain array of numbers"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(stored: Any, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", stored)
    with pytest.raises(InputError, match=rf"a\.npy {message}"):
        column(scale=10).read(tmp_path / "a.npy")


def test_an_exr_file_of_one_channel_is_read(tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR")
    header = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
    exr.File(header, {"height": np.float32([[1, NAN], [-2, 3]])}).write(str(tmp_path / "a.exr"))
    np.testing.assert_array_equal(column(void=3).read(tmp_path / "a.exr"), [[[1, NAN], [-2, NAN]]])


def test_a_lossy_or_coloured_file_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="mode RGB, expected L or I;16 for a map of numbers"):
        column().read(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"b\.png is missing"):
        column().read(tmp_path / "b.png")


def test_a_result_is_saved_as_a_label_that_is_read_back_and_black_where_nothing_was_seen(tmp_path: Path) -> None:
    task = DenseRegression("height", -2, 2, "m")
    numbers = np.float32([[[-2, 0], [np.nan, 2]]])
    result = QuantityMap.read("height", task.meaning, numbers, (2, 2))
    array, picture = result.save(tmp_path, "photo")
    np.testing.assert_array_equal(column(range=[-2, 2]).read(array), numbers)
    colours = np.array(Image.open(picture))
    assert np.array_equal(colours, result.picture())
    assert np.array_equal(colours, task.picture(torch.from_numpy(numbers)))
    assert colours[1, 0].tolist() == [0, 0, 0]
    assert colours[0, 0].tolist() == task.legend.colours[0].tolist()
    assert "height, 2x2: -2 to 2 m" in repr(result)


def test_a_page_reads_out_numbers_to_a_thousandth_of_the_range() -> None:
    readout = DenseRegression("x", 0, 20, "m").readout(torch.tensor([[[3.146, NAN, -1.0]]]))
    assert readout is not None
    assert (readout.values.tolist(), readout.steps, readout.unit) == ([[315, 0, 0]], 100, "m")
    assert DenseRegression("x", -1, 20, "m").readout(torch.zeros(1, 1, 1)) is None


def test_what_looks_odd_is_said() -> None:
    task = DenseRegression("x", 0, 20, "m")
    assert task.doubt({"percentiles": {"50": 7}}) is None
    assert task.doubt({"percentiles": {"50": 2000}}) == (
        "most values lie outside its range of 0 to 20 m (median 2000): is it in another unit?"
    )
    assert task.fault(torch.tensor([[NAN, 300.0]])) is None
    assert "infinite" in str(task.fault(torch.tensor([[float("inf")]])))
