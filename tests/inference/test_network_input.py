"""Without torch a photo becomes what networks were scored on, to grey levels."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors

from afanet.data.transforms import evaluation
from afanet.inference import prepare
from afanet.normalisation import IMAGENET


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 90)] * 2), st.tuples(*[st.integers(1, 60)] * 2), st.integers(0, 99))
def test_a_photo_is_prepared_as_networks_were_scored(actual: tuple[int, int], size: tuple[int, int], seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (*actual, 3), dtype=np.uint8)
    sample = {"image": tv_tensors.Image(torch.from_numpy(pixels).permute(2, 0, 1)), "targets": {}, "id": ""}
    expected = evaluation(size)(sample)["image"].numpy()
    levels = np.abs(prepare(pixels, size, IMAGENET.mean, IMAGENET.std) - expected) * 255
    levels *= np.array(IMAGENET.std)[:, None, None]
    assert levels.max() < 2.01  # of 255: both round after each of the two directions
    assert (levels > 1.01).sum() <= max(3, levels.size // 100)


def test_a_photo_of_the_networks_size_is_prepared_to_the_same_bits() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    sample = {"image": tv_tensors.Image(torch.from_numpy(pixels).permute(2, 0, 1)), "targets": {}, "id": ""}
    expected = evaluation((16, 16))(sample)["image"].numpy()
    assert prepare(pixels, (16, 16), IMAGENET.mean, IMAGENET.std).tobytes() == expected.tobytes()
