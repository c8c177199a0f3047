from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.data.transforms import (
    DepthMap,
    Zoom,
    as_input,
    denormalise,
    evaluation,
    training,
)
from afanet.normalisation import IMAGENET

sides = st.integers(12, 60)


def encoded(height: int, width: int) -> dict[str, torch.Tensor]:
    """Every pixel says where it is: in two colours, in its label (row * width + column) and in its depth."""
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    index = row * width + column
    return {
        "image": tv_tensors.Image(torch.stack([row * 4, column * 4, row * 0]).byte()),
        "label": tv_tensors.Mask(index.int()),
        "depth": DepthMap(1.0 + index[None].float()),
    }


@given(height=sides, width=sides, out=st.tuples(sides, sides), most=st.floats(1, 2), seed=st.integers(0, 999))
@settings(max_examples=150, deadline=None)
def test_targets_stay_aligned_with_the_image(height, width, out, most, seed):
    torch.manual_seed(seed)
    seen = v2.Compose([Zoom(out, most), v2.RandomHorizontalFlip()])(encoded(height, width))
    label = seen["label"].as_subclass(torch.Tensor)
    rows, columns = label // width, label % width
    image = seen["image"].as_subclass(torch.Tensor).float() / 4
    assert tuple(label.shape) == tuple(image.shape[1:]) == tuple(seen["depth"].shape[1:]) == out
    scale = (1.0 + label) / seen["depth"].as_subclass(torch.Tensor)[0]
    assert torch.allclose(scale, scale[0, 0].expand_as(scale))  # depth comes from the label's pixel, flip and all
    # A nearest pixel is at most half a pixel off, rounding to uint8 an eighth; at the window's rim the
    # antialiasing filter, whose reach is one cell, leans inwards.
    margin = max(2, *(-(-4 * o // n) for o, n in zip(out, (height, width), strict=True)))
    inner = (slice(margin, -margin), slice(margin, -margin))
    assert label[inner].numel() == 0 or (image[0] - rows)[inner].abs().max() <= 0.63
    assert label[inner].numel() == 0 or (image[1] - columns)[inner].abs().max() <= 0.63
    assert (image[0] - rows).abs().max() <= 0.63 + height / out[0] / 2
    assert (image[1] - columns).abs().max() <= 0.63 + width / out[1] / 2


@given(height=sides, width=sides, out=st.tuples(sides, sides), most=st.floats(1, 2), seed=st.integers(0, 999))
@settings(max_examples=150, deadline=None)
def test_depth_is_divided_by_the_magnification_and_never_mixed(height, width, out, most, seed):
    torch.manual_seed(seed)
    zoom = Zoom(out, most)
    seen = zoom(encoded(height, width))
    scale = (1.0 + seen["label"].as_subclass(torch.Tensor)) / seen["depth"].as_subclass(torch.Tensor)[0]
    assert torch.allclose(scale, scale[0, 0].expand_as(scale))  # the one pixel that the label came from, one factor
    rows, columns = seen["label"] // width, seen["label"] % width
    # The window spans what its first and last nearest pixels say: all of its pixels are seen if it is magnified, and
    # else it goes on for half a step on either side.
    tall, wide = (
        float(seen.max() - seen.min()) + max(1, float(seen.max() - seen.min()) / max(count - 1, 1))
        for seen, count in ((rows, out[0]), (columns, out[1]))
    )
    expected = (height * width / (tall * wide)) ** 0.5
    assert float(scale[0, 0]) == pytest.approx(expected, rel=0.15)
    assert 0.99 <= scale[0, 0] <= most * 1.1


def test_a_surface_magnified_twice_stands_half_as_far():
    torch.manual_seed(0)
    factors = []
    for _ in range(50):
        window = torch.zeros(200, 300)
        window[75:125, 100:200] = 1  # 100 pixels wide at 4 metres
        seen = Zoom((200, 300), 1.4)(
            {"label": tv_tensors.Mask(window), "depth": DepthMap(torch.full((1, 200, 300), 4.0))}
        )
        span = seen["label"].amax(0).sum()
        if seen["label"][:, 0].any() or seen["label"][:, -1].any():
            continue  # the crop cuts it
        # width in pixels = focal length * width in metres / depth: the product stays what it was
        assert float(span * seen["depth"][0, 0, 0]) == pytest.approx(400, rel=0.03)
        factors.append(float(span / 100))
    assert min(factors) < 1.1 < 1.3 < max(factors)


def test_holes_and_void_stay_what_they_are():
    torch.manual_seed(1)
    depth = torch.where(torch.rand(1, 40, 50) < 0.5, 0.0, 2.0)
    label = torch.where(torch.rand(40, 50) < 0.5, 255, 3).byte()
    for _ in range(20):
        seen = training((20, 30), zoom=1.5)(
            {
                "image": tv_tensors.Image(torch.zeros(3, 40, 50).byte()),
                "d": DepthMap(depth),
                "s": tv_tensors.Mask(label),
            }
        )
        assert seen["s"].dtype == torch.int64
        assert set(seen["s"].unique().tolist()) == {3, 255}
        assert seen["d"].dtype == torch.float32
        assert len(seen["d"].unique()) == 2
        assert seen["d"].min() == 0


def test_evaluation_shows_the_whole_image_normalised():
    sample = encoded(24, 32)
    seen = evaluation((24, 32))(sample)
    pixels = seen["image"] * torch.tensor(IMAGENET.std)[:, None, None] + torch.tensor(IMAGENET.mean)[:, None, None]
    assert torch.allclose(pixels * 255, sample["image"].float(), atol=1e-3)
    assert torch.equal(seen["label"], sample["label"])
    assert torch.equal(seen["depth"], sample["depth"])
    third = evaluation((8, 32))(sample)
    assert torch.equal(third["label"], sample["label"][1::3])  # the middle row of three
    assert torch.equal(third["depth"], sample["depth"][:, 1::3])


def test_denormalising_gives_back_every_value_of_every_channel():
    photo = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    assert (denormalise(as_input(photo, (16, 16))) == photo).all()


@given(levels=st.lists(st.floats(-20, 275, width=32), min_size=3, max_size=3))
def test_denormalising_rounds_to_the_nearest_value_in_range(levels):
    mean, std = torch.tensor(IMAGENET.mean), torch.tensor(IMAGENET.std)
    image = ((torch.tensor(levels) / 255 - mean) / std)[:, None, None]
    pixels = denormalise(tv_tensors.Image(image))
    assert (pixels.shape, pixels.dtype) == ((1, 1, 3), np.uint8)
    assert np.abs(pixels[0, 0] - np.clip(levels, 0, 255)).max() <= 0.5 + 1e-4


def test_without_augmentation_training_equals_evaluation():
    sample = encoded(24, 32)
    first, second = training((12, 16), zoom=1.5, augment=False)(sample), evaluation((12, 16))(sample)
    assert all(torch.equal(first[key], second[key]) for key in sample)


def test_augmentation_varies_and_follows_torchs_generator():
    def draw(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        return training((12, 16), zoom=1.5)(encoded(24, 32))

    assert all(torch.equal(draw(3)[key], draw(3)[key]) for key in ("image", "label", "depth"))
    views = [draw(seed) for seed in range(12)]
    flipped = [bool(view["label"][0, 0] % 32 > view["label"][0, -1] % 32) for view in views]
    assert {True, False} == set(flipped)
    assert len({float(view["depth"].max()) for view in views}) > 8


def test_class_ids_pass_untouched():
    sample = {"image": encoded(24, 32)["image"], "targets": {"age": torch.tensor(-1)}, "id": "x"}
    seen = training((12, 16), zoom=1.5)(sample)
    assert seen["targets"]["age"] == -1
    assert seen["targets"]["age"].dtype == torch.int64
    assert seen["id"] == "x"
