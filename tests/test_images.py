"""Images in pictures and in arrays with any number of channels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from afanet.errors import InputError
from afanet.images import decode_array, read_image, to_image


@pytest.mark.parametrize(("shape", "read"), [((3, 5), (3, 5, 1)), ((3, 5, 4), (3, 5, 4)), ((3, 5, 256), (3, 5, 256))])
def test_an_array_is_read_as_it_is(shape: tuple[int, ...], read: tuple[int, ...], tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "a.npy", values)
    for pixels in (read_image(tmp_path / "a.npy"), decode_array((tmp_path / "a.npy").open("rb"), "a")):
        assert pixels.shape == read
        assert pixels.tobytes() == values.tobytes()


def test_a_picture_is_rgb(tmp_path: Path) -> None:
    Image.new("L", (4, 2), 9).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[9] * 3] * 4] * 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            np.zeros((2, 2, 4), np.float32),
            r"is an array \(2, 2, 4\) of float32, expected an image",
        ),
        (np.zeros((2, 2, 4), np.uint16), "scale other values to 0 to 255"),
        (np.zeros((2, 2, 257), np.uint8), "with up to 256 channels"),
        (np.zeros(4, np.uint8), r"is an array \(4,\) of uint8"),
        (np.zeros((8001, 8000), np.uint8), "has 8001x8000 pixels, expected at most 64,000,000"),
    ],
)
def test_no_image_is_refused(values: Any, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match=said):
        read_image(tmp_path / "a.npy")


def test_a_broken_array_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.save(file, np.zeros((9, 9, 4), np.uint8))
    (tmp_path / "a.npy").write_bytes(file.getvalue()[:200])
    with pytest.raises(InputError, match=r"a.npy cannot be read as an array"):
        read_image(tmp_path / "a.npy")
    with pytest.raises(InputError, match="the file cannot be read as an array"):
        decode_array(io.BytesIO(file.getvalue()[:200]), "the file")


def test_four_channels_are_transparency_only_for_a_network_of_colours() -> None:
    clear = np.zeros((1, 1, 4), np.uint8)
    assert to_image(clear).tolist() == [[[255, 255, 255]]]  # laid on white
    assert to_image(clear, 4).tolist() == [[[0, 0, 0, 0]]]
