"""Polygons and run lengths become the pixels that pycocotools and NumPy say."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco

from afanet.data.intake.formats.shapes import (
    ShapeError,
    check_runs,
    draw_ring,
    draw_runs,
    read_ring,
    runs_of_mask,
    runs_of_text,
)


def drawn(height: int, width: int, ring: np.ndarray) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    draw_ring(mask, ring, 1)
    return mask


def test_a_rectangle_on_pixels_edges_is_those_pixels() -> None:
    expected = np.zeros((10, 12), np.uint8)
    expected[2:7, 3:9] = 1
    assert (drawn(10, 12, np.array([[3.0, 2], [9, 2], [9, 7], [3, 7]])) == expected).all()


@pytest.mark.parametrize("reach", [0, 0.3, 0.9])
@pytest.mark.parametrize("step", [0, 0.5, 1])
def test_polygons_are_drawn_as_pycocotools_draws_them(reach: float, step: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        height, width = map(int, rng.integers(1, 80, 2))
        size = np.array([width, height])
        ring = rng.uniform(-reach * size, (1 + reach) * size, (int(rng.integers(3, 12)), 2))
        ring = np.round(ring / step) * step if step else ring
        expected = coco.decode(coco.frPyObjects([ring.flatten().tolist()], height, width)[0])
        assert (drawn(height, width, ring) == expected).all()


def test_what_lies_far_outside_takes_neither_time_nor_memory() -> None:
    far = 9e6
    assert drawn(10, 10, np.array([[-far, -far], [far, -far], [far, far], [-far, far]])).all()
    assert not drawn(10, 10, np.array([[far, far], [far, far + 1], [far + 1, far]])).any()
    half = drawn(10, 10, np.array([[5, -far], [far, -far], [far, far], [5, far]]))
    assert half[:, 5:].all()
    assert not half[:, :5].any()


def test_compressed_run_lengths_are_those_of_pycocotools() -> None:
    rng = np.random.default_rng(1)
    for share in (0, 0.02, 0.5, 0.97, 1):
        for _ in range(40):
            height, width = map(int, rng.integers(1, 90, 2))
            mask = np.asfortranarray((rng.random((height, width)) < share).astype(np.uint8))
            text = coco.encode(mask)["counts"].decode()
            out = np.zeros((height, width), np.uint8)
            draw_runs(out, check_runs(runs_of_text(text), mask.size), (0, 0, height, width), "F", 1)
            assert (out == mask).all()
    large = np.zeros((3000, 3000), np.uint8, order="F")
    large[10:2900, 7:2000] = 1
    assert check_runs(runs_of_text(coco.encode(large)["counts"].decode()), large.size)[1::2].sum() == large.sum()


def test_a_mask_becomes_runs_over_its_box_and_a_mask_again() -> None:
    rng = np.random.default_rng(2)
    for share in (0.01, 0.3, 1):
        mask = rng.random((17, 23)) < share
        runs, box = runs_of_mask(mask)
        out = np.zeros(mask.shape, np.uint8)
        draw_runs(out, runs, box, "C", 1)
        assert (out == mask).all()


def test_runs_that_reach_outside_are_cut_off() -> None:
    out = np.zeros((4, 5), np.uint8)
    draw_runs(out, np.array([0, 6]), (2, 3, 3, 2), "C", 7)
    assert out[2:, 3:].all()
    assert out.sum() == 7 * 4


@pytest.mark.parametrize("values", [[1, 2, 3], ["x"] * 6, [1.0, float("nan")] * 3, [1e300] * 6, [[1], [2]], None, {}])
def test_a_polygon_of_other_values_is_refused(values: object) -> None:
    with pytest.raises(ShapeError):
        read_ring(values)


@pytest.mark.parametrize("counts", [[-1, 5], [10**30], [1.5, 2.5], [3], "x", [[4]], None, {}, [], [2**63, 2**63]])
def test_other_run_lengths_are_refused(counts: object) -> None:
    with pytest.raises(ShapeError):
        check_runs(counts, 4)


@pytest.mark.parametrize("text", ["o", "oooooooooooo0", "\0", "é1", "~~"])
def test_other_text_of_run_lengths_is_refused(text: str) -> None:
    with pytest.raises(ShapeError):
        check_runs(runs_of_text(text), 4)
