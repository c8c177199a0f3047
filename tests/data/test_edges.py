"""Edges of maps of labels, against SciPy's Laplacian and the borders of known shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from afanet.data.edges import edges_from_labels


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), classes=st.integers(1, 6))
def test_they_are_some_of_the_pixels_at_which_the_laplacian_is_not_zero(seed: int, classes: int) -> None:
    labels = np.random.default_rng(seed).integers(0, classes, (7, 9))
    laplacian = ndimage.convolve(labels, np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]]), mode="mirror")
    edges = edges_from_labels(labels)
    assert edges.shape == (1, 7, 9)
    assert set(np.unique(edges)) <= {0, 1}
    assert not edges[0][laplacian == 0].any()
    assert bool(edges.any()) == bool(laplacian.any())


@pytest.mark.parametrize("axis", [0, 1])
def test_a_straight_border_is_a_line_one_pixel_wide(axis: int) -> None:
    labels = np.where(np.arange(20) < 8, 3, 250).astype(np.uint8)
    labels = np.broadcast_to(labels[:, None] if axis == 0 else labels, (20, 20))
    across = edges_from_labels(labels)[0].sum(axis)
    assert across[2:-2].tolist() == [1] * 16


def test_one_region_has_no_edge_and_one_row_is_a_map() -> None:
    assert not edges_from_labels(np.full((5, 5), 9, np.uint16)).any()
    assert edges_from_labels(np.array([[1, 1, 2, 2]])).shape == (1, 1, 4)
