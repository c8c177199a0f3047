"""The crop of Eigen et al.: nothing changes inside it, and nothing is labelled outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.data import Data, Reader, Split, open_data
from afanet.data.cache import use_cache
from afanet.data.prepare import prepare
from afanet.data.sets.nyuv2.eigen import EigenCrop, inside
from afanet.data.steps import with_resize
from afanet.data.transforms import DepthMap, NormalMap, Zoom
from afanet.errors import InputError
from afanet.framing import framing
from afanet.tasks import Depth


def whole(height: int, width: int) -> dict[str, Tensor]:
    """A sample in which every pixel is labelled for every task."""
    return {
        "image": tv_tensors.Image(torch.rand(3, height, width)),
        "segmentation": tv_tensors.Mask(torch.randint(0, 40, (height, width))),
        "depth": DepthMap(1 + torch.rand(1, height, width)),
        "normals": NormalMap(torch.nn.functional.normalize(torch.randn(3, height, width), dim=0)),
        "scene": torch.tensor(3),
    }


@given(height=st.integers(1, 120), width=st.integers(1, 120))
@settings(max_examples=100, deadline=None)
def test_inside_unchanged_and_outside_unlabelled_at_any_size(height: int, width: int) -> None:
    before, kept = whole(height, width), inside(height, width)
    after = EigenCrop()(before)
    assert torch.equal(after["image"], before["image"])
    assert after["scene"] == 3
    for name, unlabelled in {"segmentation": 255, "depth": 0, "normals": 0}.items():
        assert (type(after[name]), after[name].dtype) == (type(before[name]), before[name].dtype)
        assert torch.equal(after[name][..., kept], before[name][..., kept])
        assert (after[name][..., ~kept] == unlabelled).all()


@given(height=st.integers(1, 700), width=st.integers(1, 700))
@settings(max_examples=100, deadline=None)
def test_it_is_the_published_crop_resized_by_nearest(height: int, width: int) -> None:
    published = torch.zeros(480, 640, dtype=torch.uint8)
    published[45:471, 41:601] = 1
    resized = Zoom((height, width))(tv_tensors.Mask(published))
    assert torch.equal(inside(height, width), resized.as_subclass(Tensor) == 1)


@given(size=st.tuples(st.integers(2, 90), st.integers(2, 90)))
@settings(max_examples=20, deadline=None)
def test_of_a_letterboxed_frame_it_is_the_same_part(size: tuple[int, int]) -> None:
    steps = v2.Compose([Zoom(size), EigenCrop()])
    split = Split(Reader, [0], steps)  # type: ignore[arg-type]
    data = Data(split, split, {"depth": Depth()}, "one frame")
    seen = with_resize(data, "letterbox").test.transform(
        {
            "image": tv_tensors.Image(torch.zeros(3, 480, 640, dtype=torch.uint8)),
            "targets": {"depth": DepthMap(torch.ones(1, 480, 640))},
            "id": "",
        }
    )["targets"]["depth"]
    filled = framing((480, 640), size, "letterbox").filled
    expected = torch.zeros(size, dtype=torch.bool)
    expected[filled.slices] = inside(filled.height, filled.width)
    assert torch.equal(seen[0] > 0, expected)


@pytest.fixture
def frames(folders: Path) -> Path:
    """The tests' plain folders, at 48x64 pixels."""
    rng = np.random.default_rng(0)
    for number in range(1, 5):
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(folders / f"rgb/{number:04d}.jpg")
        Image.fromarray(rng.integers(1, 41, (48, 64), np.uint8)).save(folders / f"label40/{number:04d}.png")
        Image.fromarray(rng.integers(500, 9000, (48, 64), np.uint16)).save(folders / f"depth_mm/{number:04d}.png")
    return folders


def labelled(data: Data, split: str) -> dict[str, Tensor]:
    targets = data.splits[split][0]["targets"]
    return {name: task.labelled(targets[name].as_subclass(Tensor)).squeeze(0) for name, task in data.tasks.items()}


def test_it_is_asked_for_and_of_the_test_split_alone(frames: Path) -> None:
    every, eigen = (open_data("nyuv2", frames, (24, 32), mask=mask) for mask in ("all", "eigen"))
    assert eigen.describe == every.describe + ", scored in the crop of Eigen et al."
    for name in every.tasks:
        assert labelled(every, "train")[name].all()
        assert labelled(every, "test")[name].all()
        assert labelled(eigen, "train")[name].all()
        assert torch.equal(labelled(eigen, "test")[name], inside(24, 32))


def test_it_is_the_same_from_a_cache(frames: Path, tmp_path: Path) -> None:
    data = open_data("nyuv2", frames, (24, 32), mask="eigen")
    prepare(data, tmp_path / "cache", workers=0)
    cached, cache = use_cache(data, tmp_path / "cache")
    assert cache
    for name, target in data.test[0]["targets"].items():
        assert torch.equal(cached.test[0]["targets"][name], target)


def test_frames_that_are_crops_already_are_refused(frames: Path) -> None:
    for folder, end in (("rgb", "jpg"), ("label40", "png"), ("depth_mm", "png")):
        path = frames / folder / f"0004.{end}"
        with Image.open(path) as image:
            image.crop((4, 4, 60, 47)).save(path)
    assert open_data("nyuv2", frames, (24, 32)).test[0]["image"].shape == (3, 24, 32)
    message = r"depth_mm/0004\.png is 43x56 pixels, not the .* view, without which the crop is elsewhere: .* 'mask' out"
    with pytest.raises(InputError, match=message):
        open_data("nyuv2", frames, (24, 32), mask="eigen").test[0]


def test_another_mask_is_refused(frames: Path) -> None:
    with pytest.raises(InputError, match="'mask' of data set 'nyuv2' is 'garg': input should be 'all' or 'eigen'"):
        open_data("nyuv2", frames, mask="garg")


def test_real_frames(shared: Callable[[str], Path]) -> None:
    data = open_data("nyuv2", shared("nyuv2_official_mini"), (480, 640), mask="eigen")
    measured = labelled(data, "test")["depth"]
    assert measured[45:471, 41:601].all()
    assert int(measured.sum()) == 426 * 560


def test_of_a_cropped_frame_the_cache_scores_the_same_pixels(frames: Path, tmp_path: Path) -> None:
    data = with_resize(open_data("nyuv2", frames, (24, 24), mask="eigen"), "crop")
    prepare(data, tmp_path / "c", workers=0)
    cached, used = use_cache(data, tmp_path / "c")
    assert used
    expected = labelled(data, "test")
    assert not expected["depth"].all()
    for name, pixels in labelled(cached, "test").items():
        assert torch.equal(pixels, expected[name])
