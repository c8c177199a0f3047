"""A network that looks through windows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.inference.windows import Windowed, starts

from .conftest import SIZE, Formula

Estimates = dict[str, NDArray[np.float32]]


@pytest.mark.parametrize("length", range(1, 40))
def test_windows_cover_a_length_from_edge_to_edge_and_overlap_by_half(length: int) -> None:
    for window in range(1, length + 1):
        begins = starts(length, window)
        assert (begins[0], begins[-1] + window) == (0, length)
        steps = np.diff(begins)
        assert (steps <= max(1, window // 2)).all()
        assert (steps > 0).all()


def random_images(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((2, 3, *SIZE)).astype(np.float32)


def of_pixels(images: NDArray[np.float32]) -> Estimates:
    """What depends on each pixel alone."""
    return {"depth": images[:, :1] + 9, "kind": images.mean((2, 3))[:, :2]}


@pytest.mark.parametrize("window", [SIZE, (12, 16), (24, 8), (5, 7), (1, 32)])
def test_what_depends_on_each_pixel_alone_stays_as_it_is(window: tuple[int, int]) -> None:
    images = random_images()
    seen = Windowed(Formula(["depth", "kind"], of_pixels), window).estimate(images)
    np.testing.assert_array_equal(seen["depth"], of_pixels(images)["depth"])


def test_a_window_as_large_as_the_image_changes_nothing() -> None:
    def of_place(images: NDArray[np.float32]) -> Estimates:
        return {"depth": np.cumsum(images[:, :1], axis=3), "kind": images.mean((2, 3))[:, :2]}

    images = random_images()
    seen = Windowed(Formula(["depth", "kind"], of_place), SIZE).estimate(images)
    for name, expected in of_place(images).items():
        np.testing.assert_array_equal(seen[name], expected)


def test_a_constant_network_gives_its_constant() -> None:
    constant = np.float32(0.1)

    def answer(images: NDArray[np.float32]) -> Estimates:
        return {
            "depth": np.full((len(images), 1, *images.shape[2:]), constant),
            "kind": np.full((len(images), 2), constant),
        }

    for window in ((7, 5), (24, 11), (13, 32)):
        seen = Windowed(Formula(["depth", "kind"], answer), window).estimate(random_images())
        assert (seen["depth"] == constant).all()
        assert (seen["kind"] == constant).all()


def test_the_estimates_of_overlapping_windows_are_averaged() -> None:
    """Three windows of 24x16 over 32 columns; each says its own number, in the order in which they are asked."""
    numbers = iter([1.0, 2.0, 6.0])

    def answer(images: NDArray[np.float32]) -> Estimates:
        number = np.float32(next(numbers))
        return {
            "depth": np.full((1, 1, *images.shape[2:]), number),
            "kind": np.full((1, 2), number),
        }

    seen = Windowed(Formula(["depth", "kind"], answer), (24, 16)).estimate(random_images()[:1])
    expected = np.repeat([1.0, 1.5, 4.0, 6.0], 8)
    np.testing.assert_allclose(seen["depth"][0, 0], np.tile(expected, (24, 1)))
    np.testing.assert_allclose(seen["kind"], 3.0)


def test_windows_larger_than_the_images_are_refused() -> None:
    for window in ((25, 32), (24, 40), (0, 3)):
        with pytest.raises(InputError, match=r"expected at most data\.size, 24x32"):
            Windowed(Formula(["depth"], of_pixels), window)
