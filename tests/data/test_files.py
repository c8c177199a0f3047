from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from afanet.data.files import other_layout, read_image, require_path
from afanet.errors import InputError


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_an_image_cut_anywhere_is_refused_by_name(tmp_path: Path, suffix: str):
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)).save(path)
    whole = path.read_bytes()
    assert read_image(path, "RGB", "photo").shape == (40, 50, 3)
    for length in (0, 1, 10, 100, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=rf"photo\.{suffix} cannot be read as an image .*copy this photo again"):
            read_image(path, "RGB", "photo")
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_modes_are_converted_for_photos_and_refused_for_labels(tmp_path: Path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(grey.astype(np.uint16) * 300).save(tmp_path / "depth.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", "RGB", "photo"), np.stack([grey] * 3, -1))
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", "L", "label map"), grey)
    np.testing.assert_array_equal(read_image(tmp_path / "depth.png", "I;16", "depth map"), grey.astype(int) * 300)
    with pytest.raises(InputError, match=r"palette\.png is an image of mode P, expected L for a label map"):
        read_image(tmp_path / "palette.png", "L", "label map")
    with pytest.raises(InputError, match=r"grey\.png is an image of mode L, expected I;16 for a depth map"):
        read_image(tmp_path / "grey.png", "I;16", "depth map")
    with pytest.raises(InputError, match=r"none\.png is missing"):
        read_image(tmp_path / "none.png", "L", "label map")


def test_paths_that_hold_nothing_say_so(tmp_path: Path):
    with pytest.raises(InputError, match="got no path: give it with --data"):
        require_path(None, "nyuv2", "a folder")
    with pytest.raises(InputError, match="gone' does not exist: give a folder with --data"):
        require_path(tmp_path / "gone", "nyuv2", "a folder")
    with pytest.raises(InputError, match="is an empty folder"):
        require_path(tmp_path, "nyuv2", "a folder")
    for name in "abcdef":
        (tmp_path / name).touch()
    assert require_path(tmp_path, "nyuv2", "a folder") == tmp_path
    assert "found a, b, c, d and 2 more: give a folder" in str(other_layout(tmp_path, "nyuv2", "a folder"))


def test_a_photo_of_more_than_eight_bits_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "deep.png"
    Image.fromarray(np.full((3, 4), 300, np.uint16)).save(file)
    with pytest.raises(InputError, match=r"deep.png is an image of mode I;16, expected 8 bits a channel for a photo"):
        read_image(file, "RGB", "photo")
