"""How sure a result is, against the formulas by hand in float64."""

from __future__ import annotations

import numpy as np
import pytest

from afanet.tasks.classification.result import Choice
from afanet.tasks.dense_regression.result import QuantityMap
from afanet.tasks.depth.result import DepthMap
from afanet.tasks.kinds import read_estimate
from afanet.tasks.multi_label.result import Labels
from afanet.tasks.normals.result import NormalMap
from afanet.tasks.regression.result import Number

COLOURS = np.zeros((256, 3), np.uint8)
RNG = np.random.default_rng(0)


def test_of_classes_it_is_the_probability() -> None:
    assert Choice("x", "b", 1, {"a": 0.3, "b": 0.7}).confidence() == 0.7
    ordered = read_estimate("x", {"kind": "ordinal", "classes": ["a", "b", "c"]}, np.float32([0.4, 0.2, 0.4]), (1, 1))
    assert ordered.confidence() == pytest.approx(0.2)  # the median's, which is not the most probable


def test_of_labels_it_is_that_of_each() -> None:
    assert Labels("x", ("a",), {"a": 0.9, "b": 0.3, "c": 0.02}).confidence() == pytest.approx([0.9, 0.7, 0.98])


def test_of_numbers_it_is_their_difference_in_ranges() -> None:
    one, other = Number("x", 30.0, "", 0, (0.0, 50.0)), Number("x", 42.5, "", 0, (0.0, 50.0))
    assert one.confidence(other) == other.confidence(one) == pytest.approx(0.75)
    assert one.confidence(Number("x", 1000.0, "", 0, (0.0, 50.0))) == 0
    assert one.confidence() is None
    assert Number("x", 3.0, "", 0).confidence(Number("x", 3.0, "", 0)) is None


def test_of_a_number_a_pixel_it_is_their_difference_in_ranges() -> None:
    a, b = RNG.uniform(-9, 9, (2, 4, 6)).astype(np.float32)
    a[0, 0] = np.nan
    one, other = (QuantityMap("x", values, "m", -4.0, 6.0, COLOURS) for values in (a, b))
    np.testing.assert_allclose(one.confidence(other), np.maximum(0, 1 - abs(a - b.astype(float)) / 10), atol=1e-6)
    assert np.array_equal(one.mirrored().values, a[:, ::-1], equal_nan=True)


def test_of_several_numbers_each_has_its_range() -> None:
    meaning = {"names": ["a", "b"], "ranges": [[0, 10], [0, 2]], "unit": "", "decimals": [1, 1], "points": False}
    one, other = (read_estimate("x", meaning | {"kind": "vector"}, np.float32(v), (4, 6)) for v in ([3, 1], [5, 9]))
    assert one.confidence(other) == pytest.approx([0.8, 0])
    points = meaning | {"kind": "vector", "ranges": [0, 1], "points": True}
    assert read_estimate("x", points, np.float32([0.25, 0.5]), (4, 6)).mirrored().estimate.tolist() == [0.75, 0.5]


def test_of_overlapping_masks_it_is_that_of_the_least_sure() -> None:
    meaning = {"kind": "multi_label_segmentation", "labels": ["a", "b"], "colours": [[0, 0, 0]] * 2}
    result = read_estimate("x", meaning, np.float32([[[0.9, 0.2]], [[0.3, 0.99]]]), (1, 2))
    np.testing.assert_allclose(result.confidence(), [[0.7, 0.8]])


def test_of_depth_it_is_the_ratio() -> None:
    a, b = RNG.uniform(0.1, 9, (2, 4, 6)).astype(np.float32)
    b[0, 0] = a[0, 0]
    a[1, 1] = 0
    sure = DepthMap("x", a, 10.0, COLOURS).confidence(DepthMap("x", b, 10.0, COLOURS))
    expected = np.where(a > 0, np.minimum(a / b.astype(float), b / np.where(a > 0, a, 1).astype(float)), np.nan)
    np.testing.assert_allclose(sure, expected, rtol=1e-6)
    assert sure[0, 0] == 1


def test_of_normals_it_is_the_cosine() -> None:
    a, b = RNG.normal(size=(2, 4, 6, 3))
    a, b = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b))
    a[0, 0] = 0
    maps = [NormalMap("x", v.astype(np.float32), ("up",), COLOURS[:1]) for v in (a, b)]
    sure = maps[0].confidence(maps[1])
    expected = np.maximum(0, (a * b).sum(-1))
    expected[0, 0] = np.nan
    np.testing.assert_allclose(sure, expected, atol=1e-6)


def test_a_mirror_image_turned_back_is_the_photo_itself() -> None:
    metres = RNG.uniform(1, 9, (4, 6)).astype(np.float32)
    depth = DepthMap("x", metres, 10.0, COLOURS)
    assert np.array_equal(depth.mirrored().metres, metres[:, ::-1])
    vectors = RNG.normal(size=(4, 6, 3)).astype(np.float32)
    normals = NormalMap("x", vectors, ("up",), COLOURS[:1])
    assert np.array_equal(normals.mirrored().vectors, vectors[:, ::-1] * [-1, 1, 1])
    assert (depth.confidence(depth) == 1).all()
