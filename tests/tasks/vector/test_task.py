"""Several numbers for an image against NumPy, and the cells that hold them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from afanet.declared import declare
from afanet.errors import InputError
from afanet.framing import RESIZES, Resize, framing
from afanet.tasks import Vector
from afanet.tasks.kinds import read_estimate
from afanet.tasks.maps import Points
from afanet.tasks.vector.column import VectorColumn

NAN = float("nan")


def column(**keys: Any) -> VectorColumn:
    return declare(VectorColumn, {"names": ["x", "y"], **keys}, "vector task 'v'")


def mean(values: NDArray[np.float64]) -> float:
    """Over what is known."""
    return float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else NAN


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), missing=st.floats(0, 1))
def test_metrics_equal_numpy_over_what_is_labelled_whatever_the_batches(seed: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.normal(size=(2, 9, 4)).astype(np.float32)
    truth[rng.random(truth.shape) < missing] = NAN
    metrics = Vector("v", ["a", "b", "c", "d"], points=True).metrics()
    for batch in (slice(0, 3), slice(3, 4), slice(4, 9)):
        metrics.update(torch.from_numpy(predicted[batch]), torch.from_numpy(truth[batch]))
    error = predicted.astype(np.float64) - truth.astype(np.float64)
    lengths = np.hypot(error[:, 0::2], error[:, 1::2])
    expected = {"mae": mean(abs(error)), "rmse": np.sqrt(mean(error**2)), "distance": mean(lengths)}
    actual = {key: float(value) for key, value in metrics.compute().items()}
    assert actual == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_numbers_with_ranges_of_their_own_are_scored_and_learnt_in_shares_of_these() -> None:
    task = Vector("v", ["age", "weight"], [(0, 10), (0, 1000)])
    target, logits = torch.tensor([[5.0, 500.0]]), torch.tensor([[0.2, 0.2]])
    scores = task.metrics()
    scores.update(task.predict(logits), target)
    assert task.predict(logits).tolist() == [[6.0, 600.0]]
    assert {key: value.item() for key, value in scores.compute().items()} == pytest.approx({"mae": 0.1, "rmse": 0.1})
    assert task.loss(logits, target).item() == pytest.approx(0.2**2 / 2)


def test_one_range_for_all_is_scored_in_the_unit() -> None:
    task = Vector("v", ["a", "b"], (0, 1000), "g")
    scores = task.metrics()
    scores.update(torch.tensor([[6.0, 600.0]]), torch.tensor([[5.0, NAN]]))
    assert scores.compute()["mae"].item() == 1


CELL = st.lists(
    st.sampled_from(["0.5", " 1 ", "?", "", "2", "-1", ".25", "1e-1", "x", "nan", "inf", "0x1", "\t0"]), max_size=4
)


@settings(max_examples=200, deadline=None)
@given(cells=st.lists(CELL, min_size=1, max_size=5))
def test_cells_of_any_content_are_read_or_refused_by_the_rules(cells: list[list[str]]) -> None:
    texts = [";".join(parts) for parts in cells]
    values, usable = column(range=[0, 1]).encode(pa.array(texts, pa.string()))
    for text, value, fits in zip(texts, values, usable, strict=True):
        parts = [part.strip(" \t") for part in text.split(";")]
        known = {"0.5", "1", ".25", "1e-1", "0", "?", ""}
        assert fits == (len(parts) == 2 and set(parts) <= known), text
        if fits:
            np.testing.assert_array_equal(value, [np.float32(part) if part.strip("?") else NAN for part in parts])
        elif text:
            sentence = column(range=[0, 1]).complain("v", text)
            assert "expected" in sentence
            assert "\n" not in sentence


@pytest.mark.parametrize(
    ("keys", "cell", "message"),
    [
        (
            {"range": [0, 90], "unit": "degrees"},
            "3",
            "v is '3', 1 number, expected 2 separated by ';', x;y, with ? for",
        ),
        ({"range": [0, 90], "unit": "degrees"}, "3;91", "y of v is '91', expected a number from 0 to 90 degrees, or ?"),
        ({"points": True}, "0.5;1.5", "y of v is '1.5', expected a number from 0 to 1 of the image, or ?"),
        ({"points": True, "unit": "px"}, "-1;2", "x of v is '-1', expected a number from 0 or more px, or ?"),
    ],
)
def test_what_is_wrong_with_a_cell_is_said(keys: dict[str, Any], cell: str, message: str) -> None:
    assert not column(**keys).encode(pa.array([cell]))[1][0]
    assert column(**keys).complain("v", cell).startswith(message)


def test_points_in_pixels_are_fractions_of_their_image_and_may_not_lie_outside() -> None:
    pixels = column(points=True, unit="px")
    (value, outside), usable = pixels.encode(pa.array(["32;?", "10;25"]))
    assert usable.all()
    target = pixels.target_in(value, (24, 64))
    assert isinstance(target, Points)
    np.testing.assert_array_equal(target, np.float32([0.5, NAN]))
    with pytest.raises(InputError, match=r"^y is 25 px, expected 0 to 24, the size of its image, or \? for none$"):
        pixels.target_in(outside, (24, 64))
    assert not isinstance(column(range=[0, 1]).target_in(value, (24, 64)), Points)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "vector task 'v' lacks 'range'"),
        ({"points": True, "range": [0, 1]}, "and points need none, since they are within the image"),
        ({"points": True, "names": ["x"]}, "and there are 1 names, expected x and y of each point in turn"),
        ({"range": {"x": [0, 1]}}, "in which 'y' is missing, expected all names"),
        ({"range": {"x": [0, 1], "y": [0, 1], "z": [0, 1]}}, "in which 'z' is no name"),
        ({"range": [1, 0]}, "expected the lower limit first"),
        ({"range": [0, 1], "names": ["x", "x"]}, "in which a name occurs twice"),
        ({"points": True, "swap": {"x": "y"}}, "'x' and 'y' are an x and a y"),
    ],
)
def test_a_declaration_that_cannot_be_used_is_refused_in_a_sentence(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        column(**keys)


@pytest.mark.parametrize("names", [["a"], ["a", "b"]])
def test_points_of_an_odd_number_or_with_a_range_are_refused(names: list[str]) -> None:
    with pytest.raises(InputError, match="task 'v' has points with"):
        Vector("v", names, (0.0, 2.0), points=True)
    with pytest.raises(InputError, match="task 'v' has 3 ranges, expected one for all or one for each"):
        Vector("v", names, [(0, 1)] * 3)


def test_words_are_short_and_mark_what_is_unknown() -> None:
    assert Vector("v", ["a", "b"], (0, 100), "kg").caption(torch.tensor([1.25, NAN])) == "a 1.2, b ? kg"
    many = Vector("v", [f"n{number}" for number in range(20)], (0, 1))
    assert many.caption(torch.zeros(20)).endswith("n7 0.000 and 12 more")


@settings(max_examples=60, deadline=None)
@given(
    photo=st.tuples(st.integers(4, 90), st.integers(4, 90)),
    size=st.tuples(st.integers(4, 60), st.integers(4, 60)),
    resize=st.sampled_from(RESIZES),
    mirrored=st.booleans(),
    seed=st.integers(0, 99),
)
def test_points_come_back_to_the_photo_from_where_training_put_them(
    photo: tuple[int, int], size: tuple[int, int], resize: Resize, mirrored: bool, seed: int
) -> None:
    frame = framing(photo, size, resize)
    there = Points(np.random.default_rng(seed).uniform(size=8)).within(photo, frame.seen)
    view = there.placed(frame.filled, size)
    estimate = (view.mirrored() if mirrored else view).numpy()
    task = Vector("v", list("abcdefgh"), unit="px", points=True)
    kind = type(read_estimate("v", task.meaning, estimate, photo))
    seen = kind.of_view(task.meaning, estimate, mirrored, size, frame.filled)
    result = kind.read("v", task.meaning, seen, (frame.seen.height, frame.seen.width)).within(photo, frame.seen)
    whole = there.placed(frame.seen, photo).numpy()
    np.testing.assert_allclose(result.as_target(), whole, atol=1e-4)
    np.testing.assert_allclose(list(result.values.values()), whole * np.tile(photo[::-1], 4), atol=1e-2)
    if not mirrored:
        np.testing.assert_allclose(task.on_photo(torch.from_numpy(estimate), frame), whole, atol=1e-4)


def test_numbers_that_are_no_points_stay_what_they_are_in_any_view() -> None:
    task = Vector("v", ["a", "b"], (0, 100))
    estimate, frame = np.float32([3, 50]), framing((40, 20), (8, 8), "letterbox")
    result = read_estimate("v", task.meaning, estimate, (40, 20))
    assert type(result).of_view(task.meaning, estimate, True, (8, 8), frame.filled) is estimate
    assert result.within((40, 20), frame.seen).columns() == {"v.a": 3.0, "v.b": 50.0}
    photo = np.zeros((9, 9, 3), np.uint8)
    assert result.marked(photo) is photo


def test_a_point_is_drawn_on_the_photo_where_it_lies() -> None:
    task = Vector("v", ["a", "b", "c", "d"], points=True)
    result = read_estimate("v", task.meaning, np.float32([0.75, 0.25, 2, 2]), (40, 40))
    marked = result.marked(np.zeros((100, 200, 3), np.uint8))
    rows, columns = np.nonzero(marked.any(2))
    assert abs(rows.mean() - 25) <= 1
    assert abs(columns.mean() - 149) <= 1
    assert len(rows) < 50
