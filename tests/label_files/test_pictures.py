"""Files of labels: only formats that keep every value are read, whatever the files are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.errors import InputError
from afanet.label_files import read_image

IDS = np.kron(np.arange(8, dtype=np.uint8).reshape(2, 4), np.ones((8, 8), np.uint8))
LOSSY = "whose compression can change the values, expected a PNG for a label map: save the original labels as a PNG"
EXACT = "expected a PNG for a label map: save the original labels as a PNG"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize(
    ("written", "options", "message"),
    [
        ("JPEG", {}, f"is JPEG, {LOSSY}"),
        ("JPEG", {"quality": 100}, f"is JPEG, {LOSSY}"),
        ("JPEG2000", {}, f"is JPEG 2000, {LOSSY}"),
        ("JPEG2000", {"no_jp2": True}, f"is JPEG 2000, {LOSSY}"),
        ("AVIF", {}, f"is AVIF, {LOSSY}"),
        ("WEBP", {}, f"is WebP, {LOSSY}"),
        ("GIF", {}, f"is GIF, {EXACT}"),
        ("BMP", {}, f"is BMP, {EXACT}"),
        ("TIFF", {}, f"is TIFF, {EXACT}"),
        (HEIC, {}, f"is HEIC, {LOSSY}"),
        (b"\xff\x0a\0\0", {}, f"is JPEG XL, {LOSSY}"),
        (b"II\xbc\x01\0\0", {}, f"is JPEG XR, {LOSSY}"),
    ],
)
def test_a_format_that_is_not_read_is_named_whatever_the_suffix(
    tmp_path: Path, suffix: str, written: str | bytes, options: dict[str, object], message: str
) -> None:
    path = tmp_path / f"labels.{suffix}"
    if isinstance(written, bytes):
        path.write_bytes(written)
    else:
        Image.fromarray(IDS).save(path, written, **options)
    with pytest.raises(InputError) as caught:
        read_image(path, ("L", "P"), "label map")
    assert str(caught.value) == f"{path} {message}"


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_png_is_read_as_it_is_whatever_the_suffix(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(IDS).save(tmp_path / f"labels.{suffix}", "PNG")
    np.testing.assert_array_equal(read_image(tmp_path / f"labels.{suffix}", "L", "label map"), IDS)


def test_an_array_that_is_called_a_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.png"
    for save, name in ((np.save, "a NumPy array"), (np.savez, "a ZIP archive")):
        with path.open("wb") as file:
            save(file, IDS)
        with pytest.raises(InputError, match=f"labels.png is {name}"):
            read_image(path, "L", "label map")
