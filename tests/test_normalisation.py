"""Channels of images, and what a network takes of them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from afanet.errors import InputError
from afanet.normalisation import IMAGENET, Normalisation, as_channels, as_picture


def test_grey_is_pillows_luminance_to_the_last_bit() -> None:
    levels = np.linspace(0, 255, 18).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 27, 3)
    expected = np.asarray(Image.fromarray(colours).convert("L"))
    assert np.array_equal(as_channels(colours, 1)[..., 0], expected)


def test_grey_in_three_channels_is_itself_again() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    assert np.array_equal(as_channels(as_picture(grey), 1), grey)


@pytest.mark.parametrize("channels", [1, 3, 4, 7])
def test_what_fits_is_left_as_it_is(channels: int) -> None:
    pixels = np.zeros((2, 3, channels), np.uint8)
    assert as_channels(pixels, channels) is pixels


@pytest.mark.parametrize(
    ("given", "taken", "said"),
    [
        (3, 4, r"has 3 channels \(photos are RGB\), and the network takes 4: give arrays \(H, W, 4\) of uint8"),
        (4, 3, r"has 4 channels, and the network takes 3: give photos, or arrays \(H, W, 3\)"),
        (1, 3, r"has 1 channel, and the network takes 3"),
        (4, 1, r"has 4 channels, and the network takes 1"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(given: int, taken: int, said: str) -> None:
    with pytest.raises(InputError, match=f"^x.npy {said}") as refused:
        as_channels(np.zeros((2, 2, given), np.uint8), taken, "x.npy")
    assert not re.search(r"\n", str(refused.value))


def test_of_grey_is_the_average() -> None:
    grey = IMAGENET.of_grey()
    assert grey.channels == 1
    assert grey.mean[0] == pytest.approx((0.485 + 0.456 + 0.406) / 3)
    assert grey.std[0] == pytest.approx((0.229 + 0.224 + 0.225) / 3)
    half = Normalisation((0.5,) * 3, (0.5,) * 3)
    assert half.of_grey() == Normalisation((0.5,), (0.5,))
