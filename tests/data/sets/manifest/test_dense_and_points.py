"""Quantities, overlapping masks and points in a manifest: through transforms, and through the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from afanet.data import Data, open_data
from afanet.data.cache import use_cache
from afanet.data.checks.kept import read_kept
from afanet.data.checks.survey import survey
from afanet.data.prepare import prepare
from afanet.data.steps import with_resize
from afanet.errors import InputError
from afanet.framing import RESIZES, Resize

TASKS: dict[str, Any] = {
    "height": {"kind": "dense_regression", "range": [0, 255], "void": 7},
    "layers": {"kind": "multi_label_segmentation", "labels": ["bright", "low"]},
    "lamp": {"kind": "vector", "names": ["x", "y"], "points": True, "unit": "px"},
    "tags": {"kind": "multi_label", "labels": ["wet", "old"]},
}
IMAGES, ROOM = 8, 3


def write(root: Path, even: bool = True) -> Path:
    """Images with one bright square, a mask of it, and its middle; the mask of what is low is there for some."""
    rng = np.random.default_rng(0)
    for folder in ("images", "heights", "bright", "low"):
        (root / folder).mkdir()
    lines = ["image,split,height,layers,lamp,tags"]
    for number in range(IMAGES):
        height, width = (24, 40) if even or number % 2 else (36, 28)
        top, left = (int(rng.integers(ROOM, side - 2 * ROOM)) for side in (height, width))
        grey = np.zeros((height, width), np.uint8)
        grey[top : top + ROOM, left : left + ROOM] = 255
        Image.fromarray(grey[..., None].repeat(3, 2)).save(root / f"images/{number}.png")
        for folder in ("heights", "bright"):
            Image.fromarray(grey).save(root / f"{folder}/{number}.png")
        if number % 2:
            Image.fromarray(np.arange(height)[:, None].repeat(width, 1) > 9).save(root / f"low/{number}.png")
        split, middle = ("train", "train", "test")[number % 3], f"{left + ROOM / 2};{top + ROOM / 2}"
        cells = [f"images/{number}.png", split, f"heights/{number}.png", f"{{label}}/{number}.png", middle, "wet;old?"]
        lines.append(",".join(cells))
    (root / "manifest.csv").write_text("\n".join(lines))
    return root


def opened(root: Path, resize: Resize = "stretch", **options: Any) -> Data:
    return with_resize(open_data("manifest", root, (32, 48), tasks=TASKS, **options), resize)


@pytest.mark.parametrize("resize", RESIZES)
def test_points_and_masks_stay_on_what_they_mark_in_every_view(resize: Resize, tmp_path: Path) -> None:
    data = opened(write(tmp_path, even=False), resize)
    left_view = 0
    for draw in range(60):
        torch.manual_seed(draw)
        sample = data.train[draw % len(data.train)]
        image, targets = sample["image"].mean(0), sample["targets"]
        bright = image > 0.6 * image.max()
        lamp, mask = torch.as_tensor(targets["lamp"]), torch.as_tensor(targets["layers"])[0] == 1
        if lamp.isnan().all():
            left_view += 1
            continue
        rows, columns = torch.nonzero(bright, as_tuple=True)
        middle = torch.stack([(columns + 0.5).mean() / 48, (rows + 0.5).mean() / 32])
        assert (lamp - middle).abs().max() < 0.06  # a square at the edge is cut
        assert mask[int(lamp[1] * 32), int(lamp[0] * 48)]
        height = torch.as_tensor(targets["height"])[0]
        assert torch.equal(height == 255, mask)
        assert torch.equal(height.isnan(), torch.as_tensor(targets["layers"])[0] == -1)
    assert left_view < 40


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("even", [True, False])
def test_a_cache_gives_the_same_targets(even: bool, resize: Resize, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    data = opened(write(tmp_path / "data", even), resize, augment=False)
    prepare(data, tmp_path / "cache", workers=0)
    cached, folder = use_cache(data, tmp_path / "cache")
    assert folder is not None
    kept = read_kept(cached)
    assert kept is not None, "every training would read all images again"
    assert kept[0]["train"] == survey(data, workers=0).splits["train"]
    for split, original in zip(cached.splits.values(), data.splits.values(), strict=True):
        for index in range(len(original)):
            for name, target in original[index]["targets"].items():
                stored = split[index]["targets"][name]
                assert (type(stored), stored.dtype) == (type(target), target.dtype)
                torch.testing.assert_close(stored, target, equal_nan=True, rtol=0, atol=1e-6)


def test_a_mask_that_gets_another_name_makes_a_new_cache(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    data = opened(write(tmp_path / "data"))
    prepare(data, tmp_path / "cache", workers=0)
    (tmp_path / "data/bright/0.png").rename(tmp_path / "data/low/0.png")
    assert use_cache(data, tmp_path / "cache")[1] is None


def test_a_check_says_how_much_is_known(tmp_path: Path) -> None:
    result = survey(opened(write(tmp_path)), workers=0)
    assert result.errors == []
    train = result.splits["train"]["tasks"]
    assert train["tags"]["labelled_share"] == 0.5
    assert train["tags"]["labelled_of"] == "entries"
    assert train["layers"]["labelled_share"] < 1
    assert set(train["layers"]["counts"]) == {"bright", "low"}
    assert train["lamp"]["max"] <= 1


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            "bright/0.png,{label}/0.png,41;3,wet",
            r"manifest\.csv, line 2: x is 41 px, expected 0 to 40, the size of its",
        ),
        ("bright/0.png,{label}/x.png,1;3,wet", r"manifest\.csv, line 2: .*{label}/x\.png names no file that exists"),
    ],
)
def test_a_label_that_does_not_fit_its_image_is_named_with_its_row(cells: str, message: str, tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "manifest.csv").write_text(f"image,split,height,layers,lamp,tags\nimages/0.png,train,{cells}\n")
    data = open_data("manifest", root, (8, 8), tasks=TASKS)
    with pytest.raises(InputError, match=message):
        data.train[0]
